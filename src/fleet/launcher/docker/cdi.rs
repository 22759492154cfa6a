//! Whether the daemon supports devices by CDI (Container Device Interface, <https://github.com/cncf-tags/container-device-interface>)
//! in requests of its API.

use bollard::Docker as Client;

use super::DockerError;
use super::settings::DockerSettings;

/// Fails if the profile requests CDI devices, and the daemon would ignore them or reject the request.
pub(super) async fn check_support(client: &Client, settings: &DockerSettings) -> Result<(), DockerError> {
    if settings.cdi_devices.is_empty() {
        return Ok(());
    }
    let version = client.version().await.map_err(|source| DockerError::Request {
        what: "get its version".to_owned(),
        source,
    })?;
    let components = version.components.into_iter().flatten();
    for component in components {
        if let Some(remedy) = remedy_without_cdi(&component.name, &component.version) {
            return Err(DockerError::NoCdi {
                engine: component.name,
                version: component.version,
                remedy,
            });
        }
    }
    Ok(())
}

/// The remedy for a component of the daemon that lacks CDI; `None` if it supports CDI.
fn remedy_without_cdi(component: &str, version: &str) -> Option<&'static str> {
    let major: u32 = version.split('.').next()?.parse().ok()?;
    match component {
        // Version 4 accepts the request and ignores the devices.
        name if name.starts_with("Podman") && major < 5 => Some("update it to 5 or later"),
        "Engine" if major < 25 => {
            Some("update Docker to 25 or later, where `features: {cdi: true}` in /etc/docker/daemon.json switches it on until 28.2")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cdi_support_follows_from_the_version() {
        for (component, version, lacks) in [
            ("Engine", "20.10.24+dfsg1", true),
            ("Engine", "24.0.7", true),
            ("Engine", "25.0.0", false),
            ("Engine", "28.2.2", false),
            ("Podman Engine", "4.3.1", true),
            ("Podman Engine", "5.0.0", false),
            ("containerd", "1.6.20~ds1", false),
            ("Engine", "dev", false),
        ] {
            assert_eq!(remedy_without_cdi(component, version).is_some(), lacks, "{component} {version}");
        }
    }
}
