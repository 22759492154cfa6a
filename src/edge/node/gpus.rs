//! The node's GPUs and what computes on them: nvidia-smi for NVIDIA, the files of the amdgpu and amdkfd drivers for AMD
//! (<https://docs.kernel.org/gpu/amdgpu/driver-misc.html>).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Questions;
use crate::edge::process::job_of;
use crate::edge::stop::StopSignal;
use crate::edge::telemetry::{amd_cards, amd_name, sysfs_root};
use crate::edge::tool::answer_of;
use crate::job::{
    Gpu, GpuUse, GpuVendor, NVIDIA_APPS_QUERY, NVIDIA_GPUS_QUERY, NodeFacts, cuda_version, nvidia_gpu, nvidia_use, visible_gpus,
};

/// Longest wait for nvidia-smi, which is slow on nodes without its persistence mode.
const LIMIT: Duration = Duration::from_secs(30);

/// The facts about GPUs alone; those are asked for again while a node is waited for.
#[must_use]
pub fn gather_gpus(questions: &Questions<'_>) -> NodeFacts {
    let mut facts = NodeFacts::default();
    if !questions.gpus_are_here() {
        return facts;
    }
    let (gpus, uses, toolkit) = match questions.vendor {
        GpuVendor::None => return facts,
        GpuVendor::Nvidia => nvidia(questions.stop),
        GpuVendor::Amd => amd(),
    };
    let gpus = gpus.map(|gpus| visible_gpus(gpus, questions.visible));
    if let Ok(gpus) = &gpus {
        let ours = |used: &GpuUse| used.gpu.is_none_or(|index| gpus.iter().any(|gpu| gpu.index == index));
        facts.uses = uses.into_iter().filter(ours).map(with_job).collect();
    }
    facts.gpus = Some(gpus);
    facts.toolkit = toolkit;
    facts
}

fn with_job(used: GpuUse) -> GpuUse {
    GpuUse {
        job: job_of(used.pid),
        ..used
    }
}

type Found = (Result<Vec<Gpu>, String>, Vec<GpuUse>, Option<String>);

fn nvidia(stop: &StopSignal) -> Found {
    let ask = |query: &str| answer_of("nvidia-smi", &[query, "--format=csv,noheader,nounits"], LIMIT, stop);
    let gpus = ask(&format!("--query-gpu={NVIDIA_GPUS_QUERY}")).map(|text| text.lines().filter_map(nvidia_gpu).collect::<Vec<Gpu>>());
    let Ok(known) = &gpus else {
        return (gpus, Vec::new(), None);
    };
    let uses = ask(&format!("--query-compute-apps={NVIDIA_APPS_QUERY}")).unwrap_or_default();
    let uses = uses.lines().filter_map(|line| nvidia_use(line, known)).collect();
    let toolkit = answer_of("nvidia-smi", &[], LIMIT, stop)
        .ok()
        .and_then(|table| cuda_version(&table));
    (gpus, uses, toolkit)
}

fn amd() -> Found {
    let root = sysfs_root();
    let text = |path: PathBuf| {
        fs::read_to_string(path)
            .ok()
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty())
    };
    let driver = text(root.join("module/amdgpu/version"));
    let cards = amd_cards(&root);
    if cards.is_empty() {
        return (
            Err(format!("no amdgpu device below {}/class/drm", root.display())),
            Vec::new(),
            None,
        );
    }
    let gpu = |(index, (_, device)): (u32, (u32, PathBuf))| {
        let mib = |name: &str| text(device.join(name))?.parse::<f64>().ok().map(|bytes| bytes / f64::from(1 << 20));
        Gpu {
            index,
            uuid: text(device.join("unique_id")),
            name: amd_name(&device),
            driver: driver.clone(),
            memory_mib: mib("mem_info_vram_total"),
            memory_used_mib: mib("mem_info_vram_used"),
            ..Gpu::default()
        }
    };
    let gpus = (0..).zip(cards).map(gpu).collect();
    let toolkit = text(PathBuf::from("/opt/rocm/.info/version"));
    (Ok(gpus), amd_uses(&root), toolkit)
}

/// Each process that has a queue or memory on a GPU has a folder with its number; `vram_<gpu>` says how many bytes.
fn amd_uses(root: &Path) -> Vec<GpuUse> {
    let processes = fs::read_dir(root.join("class/kfd/kfd/proc")).into_iter().flatten().flatten();
    let used = processes.filter_map(|process| {
        let pid: i32 = process.file_name().to_str()?.parse().ok()?;
        let memory = fs::read_dir(process.path()).ok()?.flatten().filter_map(|file| {
            let is_memory = file.file_name().to_str()?.starts_with("vram_");
            let bytes = is_memory.then(|| fs::read_to_string(file.path()).ok())??;
            bytes.trim().parse::<u64>().ok()
        });
        (memory.sum::<u64>() > 0).then(|| GpuUse {
            gpu: None,
            pid,
            name: fs::read_to_string(format!("/proc/{pid}/comm")).map_or_else(|_| "process".to_owned(), |name| name.trim().to_owned()),
            job: None,
        })
    });
    used.collect()
}
