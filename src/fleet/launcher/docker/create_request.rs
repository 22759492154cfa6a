//! A container plan as a request of the Docker API (<https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerCreate>).

use std::collections::HashMap;

use bollard::models::{ContainerCreateBody, DeviceMapping, DeviceRequest, HostConfig, PortBinding, ResourcesUlimits};
use serde_json::Value;

use super::DockerError;
use super::options::{ContainerNetwork, GpuRequest};
use super::plan::{ContainerPlan, JOB_LABEL};
use super::settings::DockerSettings;
use crate::model::saturating;
use crate::model::{Variable, VariableValue};
use crate::system::process::JOB_MARK;

/// The request. This is the only place where the values of secrets are added.
pub(super) fn create_request(plan: &ContainerPlan, environment: &[Variable]) -> Result<ContainerCreateBody, DockerError> {
    let mut env = plan.environment.clone();
    env.extend(plan.secrets.iter().filter_map(|name| {
        environment.iter().find_map(|variable| match &variable.value {
            VariableValue::Secret(secret) if variable.name == *name => Some(format!("{name}={}", secret.expose())),
            VariableValue::Secret(_) | VariableValue::Plain(_) => None,
        })
    }));
    // Marks the job's processes, so that the node's process table shows which job they belong to.
    env.push(format!("{JOB_MARK}={}", plan.name));
    let port = plan.mapped_port.map(|port| format!("{port}/tcp"));
    Ok(ContainerCreateBody {
        image: Some(plan.image.clone()),
        // Otherwise the image's own entry point, often a server, would get the recipe as arguments.
        entrypoint: Some(plan.command.iter().take(1).cloned().collect()),
        cmd: Some(plan.command.iter().skip(1).cloned().collect()),
        env: Some(env),
        labels: Some(HashMap::from([(JOB_LABEL.to_owned(), plan.name.clone())])),
        working_dir: Some("/workspace".to_owned()),
        user: plan.settings.user.clone(),
        exposed_ports: port.clone().map(|port| vec![port]),
        host_config: Some(host_config(plan, port)?),
        ..ContainerCreateBody::default()
    })
}

/// The request without command, variables and mounts: its keys and values, by the names of the Docker API.
pub(super) fn requested_settings(plan: &ContainerPlan) -> Result<Vec<(String, String)>, DockerError> {
    let port = plan.mapped_port.map(|port| format!("{port}/tcp"));
    let host = serde_json::to_value(host_config(plan, port)?).unwrap_or_default();
    let mut settings = vec![
        ("name".to_owned(), plan.name.clone()),
        ("image".to_owned(), plan.image.clone()),
        ("pull".to_owned(), plan.settings.pull.as_str().to_owned()),
    ];
    settings.extend(plan.settings.user.iter().map(|user| ("user".to_owned(), user.clone())));
    let Value::Object(host) = host else { return Ok(settings) };
    for (name, value) in host {
        if name != "Binds" && !is_empty(&value) {
            settings.push((name, value.to_string()));
        }
    }
    Ok(settings)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(true) | Value::Number(_) | Value::String(_) => false,
    }
}

fn host_config(plan: &ContainerPlan, port: Option<String>) -> Result<HostConfig, DockerError> {
    let DockerSettings {
        socket: _,
        pull: _,
        runtime,
        gpus,
        cdi_devices,
        devices,
        groups,
        mounts: _,
        tmpfs,
        network,
        host_ipc,
        shm_size_mib,
        memory_mib,
        cpuset,
        init,
        ulimits,
        capabilities,
        security_options,
        user: _,
        privileged,
    } = &plan.settings;
    let binds = plan.mounts.iter().map(|mount| {
        let mode = if mount.read_only { "ro" } else { "rw" };
        format!("{}:{}:{mode}", mount.source, mount.target)
    });
    let devices = devices.iter().map(|path| DeviceMapping {
        path_on_host: Some(path.clone()),
        path_in_container: Some(path.clone()),
        cgroup_permissions: Some("rwm".to_owned()),
    });
    Ok(HostConfig {
        binds: Some(binds.collect()),
        devices: Some(devices.collect()),
        device_requests: Some(device_requests(gpus, cdi_devices)),
        group_add: Some(groups.clone()),
        network_mode: match network {
            ContainerNetwork::Host => Some("host".to_owned()),
            ContainerNetwork::Default => None,
            ContainerNetwork::Named(name) => Some(name.clone()),
        },
        port_bindings: port.map(|port| {
            let number = port.trim_end_matches("/tcp").to_owned();
            let binding = PortBinding {
                host_ip: Some("127.0.0.1".to_owned()),
                host_port: Some(number),
            };
            HashMap::from([(port, Some(vec![binding]))])
        }),
        ipc_mode: host_ipc.then(|| "host".to_owned()),
        shm_size: shm_size_mib.map(bytes),
        memory: memory_mib.map(|mib| bytes(mib.get())),
        cpuset_cpus: cpuset.clone(),
        // `None` keeps the daemon's default.
        init: init.then_some(true),
        runtime: runtime.clone(),
        tmpfs: Some(tmpfs.clone().into_iter().collect()),
        ulimits: Some(ulimits.iter().map(|text| ulimit(text)).collect::<Result<_, _>>()?),
        cap_add: Some(capabilities.clone()),
        security_opt: Some(security_options.clone()),
        privileged: Some(*privileged),
        ..HostConfig::default()
    })
}

fn device_requests(gpus: &GpuRequest, cdi_devices: &[String]) -> Vec<DeviceRequest> {
    let gpus = match gpus {
        GpuRequest::None => None,
        GpuRequest::All => Some((Some(-1), None)),
        GpuRequest::Ids(ids) => Some((None, Some(ids.clone()))),
    };
    let gpus = gpus.map(|(count, device_ids)| DeviceRequest {
        count,
        device_ids,
        capabilities: Some(vec![vec!["gpu".to_owned()]]),
        ..DeviceRequest::default()
    });
    let cdi = (!cdi_devices.is_empty()).then(|| DeviceRequest {
        driver: Some("cdi".to_owned()),
        device_ids: Some(cdi_devices.to_vec()),
        ..DeviceRequest::default()
    });
    gpus.into_iter().chain(cdi).collect()
}

fn bytes(mib: u64) -> i64 {
    saturating::to_i64(mib.saturating_mul(1 << 20))
}

/// Parses `name=soft[:hard]`, the syntax of `docker run --ulimit`.
fn ulimit(text: &str) -> Result<ResourcesUlimits, DockerError> {
    let invalid = || DockerError::Setting {
        key: "ulimits",
        found: text.to_owned(),
        expected: "`name=soft` or `name=soft:hard`, such as memlock=-1",
    };
    let (name, limits) = text.split_once('=').ok_or_else(invalid)?;
    let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
    Ok(ResourcesUlimits {
        name: Some(name.to_owned()),
        soft: Some(soft.parse().map_err(|_| invalid())?),
        hard: Some(hard.parse().map_err(|_| invalid())?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ulimits_have_a_soft_and_a_hard_value() {
        let limit = ulimit("nofile=1024:2048").unwrap();
        assert_eq!(
            (limit.name.as_deref(), limit.soft, limit.hard),
            (Some("nofile"), Some(1024), Some(2048))
        );
        assert_eq!(ulimit("memlock=-1").unwrap().hard, Some(-1));
        assert!(ulimit("memlock").is_err() && ulimit("memlock=x").is_err());
    }
}
