//! The GPUs of the node that a job may use. Several runners can share a node, each with its own selection.

use super::Gpu;
use crate::job::GpuVendor;

/// The selection in a recipe's environment: the first of its vendor's variables that is set.
#[must_use]
pub fn visible_choice(vendor: GpuVendor, lookup: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let names: &[&str] = match vendor {
        GpuVendor::Nvidia => &["CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"],
        GpuVendor::Amd => &["ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"],
        GpuVendor::None => &[],
    };
    names.iter().find_map(|name| lookup(name))
}

/// The GPUs that a `*_VISIBLE_DEVICES` variable selects: indices or UUIDs (prefixes too), separated by
/// commas; all of them without a selection. As in CUDA, the list ends at the first entry that matches no GPU.
#[must_use]
pub fn visible_gpus(gpus: Vec<Gpu>, choice: Option<&str>) -> Vec<Gpu> {
    let Some(choice) = choice.map(str::trim).filter(|choice| !choice.is_empty() && *choice != "all") else {
        return gpus;
    };
    choice
        .split(',')
        .map_while(|entry| find_gpu(&gpus, entry.trim()).cloned())
        .collect()
}

fn find_gpu<'a>(gpus: &'a [Gpu], entry: &str) -> Option<&'a Gpu> {
    let index = entry.parse::<u32>().ok();
    gpus.iter().find(|gpu| match index {
        Some(index) => gpu.index == index,
        None => gpu.uuid.as_deref().is_some_and(|uuid| uuid.starts_with(entry)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_and_uuids_select() {
        let gpu = |index: u32| Gpu {
            index,
            uuid: Some(format!("GPU-{index}f")),
            ..Gpu::default()
        };
        let all: Vec<Gpu> = (0..4).map(gpu).collect();
        let chosen = |choice| visible_gpus(all.clone(), choice).iter().map(|gpu| gpu.index).collect::<Vec<_>>();
        assert_eq!(chosen(None), [0, 1, 2, 3]);
        assert_eq!(chosen(Some("all")), [0, 1, 2, 3]);
        assert_eq!(chosen(Some("2, 0")), [2, 0]);
        assert_eq!(chosen(Some("GPU-3,1")), [3, 1]);
        assert_eq!(chosen(Some("1,-1,2")), [1]);
        assert!(chosen(Some("void")).is_empty());
    }
}
