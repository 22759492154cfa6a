//! What nvidia-smi says about GPUs and the processes on them, in its CSV form.

use super::{Gpu, GpuUse};

/// Fields of [`nvidia_gpu`], in its order.
pub const NVIDIA_GPUS_QUERY: &str =
    "index,uuid,name,driver_version,memory.total,memory.used,clocks.sm,clocks.max.sm,power.limit,clocks_event_reasons.active";
/// Fields of [`nvidia_use`], in its order.
pub const NVIDIA_APPS_QUERY: &str = "gpu_uuid,pid,process_name";

/// Bits of the reasons for lower clocks that are faults, not modes
/// (<https://docs.nvidia.com/deploy/nvml-api/group__nvmlClocksEventReasons.html>).
const FAULTS: [(u64, &str); 4] = [
    (0x08, "hardware slowdown"),
    (0x20, "software thermal slowdown"),
    (0x40, "hardware thermal slowdown"),
    (0x80, "power brake"),
];

/// A line of `nvidia-smi --query-gpu=` with [`NVIDIA_GPUS_QUERY`] and `--format=csv,noheader,nounits`.
#[must_use]
pub fn nvidia_gpu(line: &str) -> Option<Gpu> {
    let fields: Vec<&str> = line.split(',').map(str::trim).collect();
    let [index, uuid, name, driver, total, used, clock, max_clock, limit, reasons] = fields.as_slice() else {
        return None;
    };
    let number = |text: &str| text.parse::<f64>().ok().filter(|value| value.is_finite());
    Some(Gpu {
        index: index.parse().ok()?,
        uuid: Some((*uuid).to_owned()),
        name: (*name).to_owned(),
        driver: Some((*driver).to_owned()),
        memory_mib: number(total),
        memory_used_mib: number(used),
        clock_mhz: number(clock),
        max_clock_mhz: number(max_clock),
        power_limit_w: number(limit),
        held_back: throttle_words(reasons).into_iter().map(str::to_owned).collect(),
    })
}

/// A line of `nvidia-smi --query-compute-apps=` with [`NVIDIA_APPS_QUERY`]. The process belongs to no job yet.
#[must_use]
pub fn nvidia_use(line: &str, gpus: &[Gpu]) -> Option<GpuUse> {
    let mut fields = line.splitn(3, ',').map(str::trim);
    let (uuid, pid, name) = (fields.next()?, fields.next()?, fields.next()?);
    Some(GpuUse {
        gpu: gpus.iter().find(|gpu| gpu.uuid.as_deref() == Some(uuid)).map(|gpu| gpu.index),
        pid: pid.parse().ok()?,
        name: name.to_owned(),
        job: None,
    })
}

/// The faults among the reasons for lower clocks, which nvidia-smi writes as a hexadecimal number.
#[must_use]
pub fn throttle_words(reasons: &str) -> Vec<&'static str> {
    let bits = reasons
        .trim()
        .strip_prefix("0x")
        .and_then(|digits| u64::from_str_radix(digits, 16).ok());
    let bits = bits.unwrap_or(0);
    FAULTS.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, word)| *word).collect()
}

/// The version of CUDA in the head of nvidia-smi's table.
#[must_use]
pub fn cuda_version(table: &str) -> Option<String> {
    let after = table.split("CUDA Version:").nth(1)?;
    after
        .split_whitespace()
        .next()
        .map(str::to_owned)
        .filter(|word| word.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_gpus_processes_and_the_version_of_cuda() {
        let line = "3, GPU-1f02, NVIDIA H100 80GB HBM3, 570.86.15, 81559, 4, 345, 1980, 700.00, 0x00000000000000C1";
        let gpu = nvidia_gpu(line).unwrap();
        assert_eq!(
            (gpu.index, gpu.driver.as_deref(), gpu.max_clock_mhz),
            (3, Some("570.86.15"), Some(1980.0))
        );
        assert_eq!(gpu.held_back, ["hardware thermal slowdown", "power brake"]);
        let used = nvidia_use("GPU-1f02, 4711, python3, -m vllm", &[gpu]).unwrap();
        assert_eq!((used.gpu, used.pid, used.name.as_str()), (Some(3), 4711, "python3, -m vllm"));
        assert_eq!(nvidia_gpu("No devices were found"), None);
        let head = "| NVIDIA-SMI 570.86.15    Driver Version: 570.86.15    CUDA Version: 12.8     |";
        assert_eq!(cuda_version(head).as_deref(), Some("12.8"));
        assert_eq!(cuda_version("CUDA Version: N/A"), None);
    }
}
