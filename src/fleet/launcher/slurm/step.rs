//! How a recipe is run in its container on a node: options of Pyxis (<https://github.com/NVIDIA/pyxis/wiki/Usage>) for
//! srun, or those of `enroot start` (<https://github.com/NVIDIA/enroot/blob/master/doc/cmd/start.md>).

use super::settings::{SlurmContainer, SlurmSettings};
use crate::fleet::launcher::container::{ContainerContents, WORKSPACE};
use crate::fleet::launcher::mount::Mount;

/// The options; `$image` in them stands for an imported image. Secrets are referred to by name.
pub(super) fn step_options(settings: &SlurmSettings, inside: &ContainerContents, image: &str) -> Vec<String> {
    match settings.container {
        SlurmContainer::None => Vec::new(),
        SlurmContainer::Pyxis => pyxis(settings, inside, image),
        SlurmContainer::Enroot => enroot(settings, inside),
    }
}

fn names(inside: &ContainerContents) -> Vec<String> {
    let plain = inside.plain.iter().map(|(name, _)| name.clone());
    plain.chain(inside.secrets.iter().cloned()).collect()
}

fn pyxis(settings: &SlurmSettings, inside: &ContainerContents, image: &str) -> Vec<String> {
    let mounts: Vec<String> = inside.mounts.iter().map(pyxis_mount).collect();
    let mut options = vec![
        format!("--container-image={image}"),
        format!("--container-mounts={}", mounts.join(",")),
        format!("--container-workdir={WORKSPACE}"),
        // Without it, the image's variables override the job's.
        format!("--container-env={}", names(inside).join(",")),
        "--no-container-mount-home".to_owned(),
        // Otherwise the image's own entry point, often a server, would get the recipe as arguments.
        "--no-container-entrypoint".to_owned(),
    ];
    let root = if settings.remap_root {
        "--container-remap-root"
    } else {
        "--no-container-remap-root"
    };
    options.push(root.to_owned());
    options.extend(settings.step_options.iter().cloned());
    options
}

/// `SRC:DST[:FLAGS]`.
fn pyxis_mount(mount: &Mount) -> String {
    let flags = if mount.read_only { ":ro" } else { "" };
    format!("{}:{}{flags}", mount.source, mount.target)
}

fn enroot(settings: &SlurmSettings, inside: &ContainerContents) -> Vec<String> {
    // The image cache writes this file next to the image: it replaces the image's entry point.
    let mut options = vec!["--rw".to_owned(), "--rc".to_owned(), "${image%/*}/imax-entry.sh".to_owned()];
    if settings.remap_root {
        options.push("--root".to_owned());
    }
    for mount in &inside.mounts {
        let flags = if mount.read_only { ",ro" } else { "" };
        let fstab = format!("{}:{}:none:x-create=auto,rbind{flags}", mount.source, mount.target);
        options.extend(["--mount".to_owned(), fstab]);
    }
    for name in names(inside) {
        options.extend(["--env".to_owned(), name]);
    }
    options.extend(settings.step_options.iter().cloned());
    options
}
