//! Parsers for nvidia-smi's CSV output.

use crate::job::{Gpu, GpuUse};

/// Fields of [`gpu_of_line`], in its order.
pub(super) const GPUS_QUERY: &str =
    "index,uuid,name,driver_version,memory.total,memory.used,clocks.sm,clocks.max.sm,power.limit,clocks_event_reasons.active";
/// Fields of [`use_of_line`], in its order.
pub(super) const APPS_QUERY: &str = "gpu_uuid,pid,process_name";

/// Values reported for a failed GPU, whatever was queried.
const BROKEN: [&str; 2] = ["[GPU is lost]", "[GPU requires reset]"];

/// Older names of fields: the throttle reasons were renamed with driver 535; the instantaneous power came with 530, and
/// before that the only power was often instantaneous.
const OLDER: [(&str, &str); 2] = [
    ("clocks_event_reasons.", "clocks_throttle_reasons."),
    ("power.draw.instant", "power.draw"),
];

/// Bits of the throttle reasons that are faults, not modes
/// (<https://docs.nvidia.com/deploy/nvml-api/group__nvmlClocksEventReasons.html>).
const FAULTS: [(u64, &str); 4] = [
    (0x08, "hardware slowdown"),
    (0x20, "software thermal slowdown"),
    (0x40, "hardware thermal slowdown"),
    (0x80, "power brake"),
];

/// Whether nvidia-smi reports an unknown field.
pub(in crate::fleet) fn is_unknown_field(said: &str) -> bool {
    said.contains("is not a valid field to query")
}

/// The same fields by their older names.
pub(in crate::fleet) fn older_fields(query: &str) -> String {
    OLDER
        .iter()
        .fold(query.to_owned(), |query, (recent, older)| query.replace(recent, older))
}

/// A line of `nvidia-smi --query-gpu=` with [`GPUS_QUERY`] and `--format=csv,noheader,nounits`.
pub(super) fn gpu_of_line(line: &str) -> Option<Gpu> {
    let fields: Vec<&str> = line.split(',').map(str::trim).collect();
    let [index, uuid, name, driver, total, used, clock, max_clock, limit, reasons] = fields.as_slice() else {
        return None;
    };
    if fields.iter().any(|field| BROKEN.contains(field)) {
        return None;
    }
    Some(Gpu {
        index: index.parse().ok()?,
        uuid: Some((*uuid).to_owned()),
        name: Some((*name).to_owned()),
        driver: Some((*driver).to_owned()),
        memory_mib: finite(total),
        memory_used_mib: finite(used),
        clock_mhz: finite(clock),
        max_clock_mhz: finite(max_clock),
        power_limit_w: finite(limit),
        held_back: throttle_bits(reasons).map(|bits| words(bits).map(str::to_owned).collect()),
    })
}

fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

/// A line of `nvidia-smi --query-compute-apps=` with [`APPS_QUERY`]. The job of the process is filled in later.
pub(super) fn use_of_line(line: &str, gpus: &[Gpu]) -> Option<GpuUse> {
    let mut fields = line.splitn(3, ',').map(str::trim);
    let (uuid, pid, name) = (fields.next()?, fields.next()?, fields.next()?);
    Some(GpuUse {
        gpu: gpus.iter().find(|gpu| gpu.uuid.as_deref() == Some(uuid)).map(|gpu| gpu.index),
        pid: pid.parse().ok()?,
        name: name.to_owned(),
        job: None,
    })
}

/// The faults among the throttle reasons, which nvidia-smi prints as a hexadecimal number.
pub(in crate::fleet) fn throttle_faults(reasons: &str) -> Vec<String> {
    words(throttle_bits(reasons).unwrap_or(0)).map(str::to_owned).collect()
}

fn words(bits: u64) -> impl Iterator<Item = &'static str> {
    FAULTS.iter().filter(move |(bit, _)| bits & bit != 0).map(|(_, word)| *word)
}

fn throttle_bits(reasons: &str) -> Option<u64> {
    u64::from_str_radix(reasons.trim().strip_prefix("0x")?, 16).ok()
}

/// The CUDA version in the header of nvidia-smi's table.
pub(super) fn cuda_version(table: &str) -> Option<String> {
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
    fn gpus_processes_and_cuda_version_are_parsed() {
        let line = "3, GPU-1f02, NVIDIA H100 80GB HBM3, 570.86.15, 81559, 4, 345, 1980, 700.00, 0x00000000000000C1";
        let gpu = gpu_of_line(line).unwrap();
        assert_eq!(
            (gpu.index, gpu.driver.as_deref(), gpu.max_clock_mhz),
            (3, Some("570.86.15"), Some(1980.0))
        );
        assert_eq!(gpu.held_back.as_deref().unwrap(), ["hardware thermal slowdown", "power brake"]);
        let unknown = gpu_of_line(&line.replace("0x00000000000000C1", "[N/A]")).unwrap();
        assert_eq!(unknown.held_back, None);
        assert_eq!(gpu_of_line(&line.replace("570.86.15", "[GPU is lost]")), None);
        let used = use_of_line("GPU-1f02, 4711, python3, -m vllm", &[gpu]).unwrap();
        assert_eq!((used.gpu, used.pid, used.name.as_str()), (Some(3), 4711, "python3, -m vllm"));
        assert_eq!(gpu_of_line("No devices were found"), None);
        let head = "| NVIDIA-SMI 570.86.15    Driver Version: 570.86.15    CUDA Version: 12.8     |";
        assert_eq!(cuda_version(head).as_deref(), Some("12.8"));
        assert_eq!(cuda_version("CUDA Version: N/A"), None);
    }

    #[test]
    fn older_field_names_are_used_for_older_drivers() {
        assert!(is_unknown_field(
            "Field \"clocks_event_reasons.active\" is not a valid field to query."
        ));
        let fields = "index,power.draw.instant,clocks_event_reasons.active";
        assert_eq!(older_fields(fields), "index,power.draw,clocks_throttle_reasons.active");
    }
}
