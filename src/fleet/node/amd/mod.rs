//! AMD's GPUs and the processes on them, from the files of the amdgpu and amdkfd drivers
//! (<https://docs.kernel.org/gpu/amdgpu/driver-misc.html>, <https://docs.kernel.org/gpu/amdgpu/thermal.html>).

mod driver_files;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::Found;
use crate::fleet::telemetry::{amd_cards, amd_name, sysfs_root};
use crate::job::{Gpu, GpuProblem, GpuUse};
use driver_files::{amd_clocks, kfd_property};

pub(super) fn amd() -> Found {
    let root = sysfs_root();
    let driver = text(root.join("module/amdgpu/version"));
    let cards: Vec<(u32, PathBuf)> = (0..).zip(amd_cards(&root).into_iter().map(|(_, device)| device)).collect();
    if cards.is_empty() {
        let problem = format!("no amdgpu device below {}/class/drm", root.display());
        return (Err(GpuProblem::NotInstalled(problem)), Vec::new(), None);
    }
    let gpus = cards.iter().map(|(index, device)| gpu(*index, device, driver.clone())).collect();
    let toolkit = text(PathBuf::from("/opt/rocm/.info/version"));
    (Ok(gpus), uses(&root, &cards), toolkit)
}

fn text(path: PathBuf) -> Option<String> {
    let text = fs::read_to_string(path).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// A file with a number of bytes, in MiB.
fn mib(file: PathBuf) -> Option<f64> {
    text(file)?.parse::<f64>().ok().map(|bytes| bytes / f64::from(1 << 20))
}

fn gpu(index: u32, device: &Path, driver: Option<String>) -> Gpu {
    let clocks = text(device.join("pp_dpm_sclk"))
        .map(|levels| amd_clocks(&levels))
        .unwrap_or_default();
    Gpu {
        index,
        uuid: text(device.join("unique_id")),
        name: amd_name(device),
        driver,
        memory_mib: mib(device.join("mem_info_vram_total")),
        memory_used_mib: mib(device.join("mem_info_vram_used")),
        clock_mhz: clocks.now_mhz,
        max_clock_mhz: clocks.highest_mhz,
        ..Gpu::default()
    }
}

/// Each process with a queue or memory on a GPU has a folder named after its id; `vram_<gpu>` holds its memory in bytes.
fn uses(root: &Path, cards: &[(u32, PathBuf)]) -> Vec<GpuUse> {
    let of_kfd = indices(root, cards);
    let mut found = Vec::new();
    for process in entries(&root.join("class/kfd/kfd/proc")) {
        let Some(pid) = number::<i32>(&process) else { continue };
        let used = entries(&process).into_iter().filter_map(used_kfd_gpu);
        // A GPU that cannot be identified counts as in use, whichever it is.
        let mut gpus: Vec<Option<u32>> = used.map(|id| of_kfd.get(&id).copied()).collect();
        gpus.sort_unstable();
        gpus.dedup();
        found.extend(gpus.into_iter().map(|gpu| GpuUse {
            gpu,
            pid,
            name: text(PathBuf::from(format!("/proc/{pid}/comm"))).unwrap_or_else(|| "process".to_owned()),
            job: None,
        }));
    }
    found
}

/// amdkfd's id of the GPU whose memory a process uses, from a file `vram_<id>` that holds the bytes; `None` for other files and for no
/// bytes.
fn used_kfd_gpu(file: PathBuf) -> Option<u32> {
    let id: u32 = file.file_name()?.to_str()?.strip_prefix("vram_")?.parse().ok()?;
    let bytes: u64 = text(file)?.parse().ok()?;
    (bytes > 0).then_some(id)
}

/// Maps amdkfd's ids of GPUs to indices of cards.
fn indices(root: &Path, cards: &[(u32, PathBuf)]) -> BTreeMap<u32, u32> {
    let nodes = entries(&root.join("class/kfd/kfd/topology/nodes"));
    nodes.iter().filter_map(|node| kfd_id_and_index(node, cards)).collect()
}

/// The id and the index of the GPU that a node of amdkfd's topology describes. The node names the GPU's render device and, if the GPU
/// has one, its unique id, which partitions of one GPU share.
fn kfd_id_and_index(node: &Path, cards: &[(u32, PathBuf)]) -> Option<(u32, u32)> {
    // CPUs are nodes too, with the number 0.
    let id: u32 = text(node.join("gpu_id"))?.parse().ok().filter(|id| *id != 0)?;
    let properties = text(node.join("properties"))?;
    let render = kfd_property(&properties, "drm_render_minor").map(|minor| format!("drm/renderD{minor}"));
    let unique = kfd_property(&properties, "unique_id").filter(|id| *id != 0);
    let by_render = render.and_then(|render| cards.iter().find(|(_, device)| device.join(&render).exists()));
    by_render
        .or_else(|| cards.iter().find(|(_, device)| unique.is_some() && unique_id(device) == unique))
        .map(|(index, _)| (id, *index))
}

fn unique_id(device: &Path) -> Option<u64> {
    u64::from_str_radix(&text(device.join("unique_id"))?, 16).ok()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn number<T: std::str::FromStr>(path: &Path) -> Option<T> {
    path.file_name()?.to_str()?.parse().ok()
}
