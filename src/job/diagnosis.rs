//! Known causes in the logs of engines, containers and schedulers: each named in one sentence with its remedy. The
//! table is searched from its top, so the more specific cause stands first.

/// A cause that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownCause {
    /// A stable code for machines.
    pub code: &'static str,
    /// What happened and what to do, for people.
    pub sentence: &'static str,
    /// Whether it stays as it is until somebody changes something, so that another try is of no use.
    pub lasts: bool,
    /// Lower-case texts; a line that holds all parts of one of them shows the cause.
    signs: &'static [&'static [&'static str]],
}

/// A cause and the line that showed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// The cause.
    pub cause: &'static KnownCause,
    /// The log's line, shortened.
    pub line: String,
}

/// Longest part of a line that is quoted, characters.
const QUOTED: usize = 240;

/// Sources of the texts: the messages of PyTorch, CUDA, HIP, NCCL/RCCL, the Hugging Face hub, Docker, the Linux kernel and libc.
static KNOWN: [KnownCause; 14] = [
    KnownCause {
        code: "driver-mismatch",
        sentence: "the GPU driver is too old for the image's CUDA or ROCm, or driver and library differ; update the driver of the node or take an older image",
        lasts: true,
        signs: &[
            &["driver version is insufficient"],
            &["cuda driver version", "insufficient"],
            &["driver/library version mismatch"],
            &["nvidia driver on your system is too old"],
            &["forward compatibility was attempted on non supported hw"],
        ],
    },
    KnownCause {
        code: "gpu-out-of-memory",
        sentence: "the GPU has too little free memory; lower the memory fraction, the context length or the concurrency, use more GPUs, or look for another process on them",
        lasts: false,
        signs: &[
            &["cuda out of memory"],
            &["hip out of memory"],
            &["outofmemoryerror"],
            &["cuda error: out of memory"],
            &["hiperroroutofmemory"],
            &["cudaerrormemoryallocation"],
            &["no available memory for the cache blocks"],
            &["not enough memory", "mem-fraction"],
            &["failed to allocate", "vram"],
        ],
    },
    KnownCause {
        code: "collective-timeout",
        sentence: "a collective operation between GPUs (NCCL or RCCL) failed or timed out; look at the other ranks' logs, at NVLink or InfiniBand, and at NCCL_DEBUG=INFO",
        lasts: false,
        signs: &[
            &["nccl", "timeout"],
            &["nccl", "timed out"],
            &["rccl", "timed out"],
            &["watchdog caught collective operation timeout"],
            &["nccl error"],
            &["nccl", "unhandled"],
        ],
    },
    KnownCause {
        code: "port-in-use",
        sentence: "the port is taken by another process; leave PORT unset so that a free one is chosen, or end that process",
        lasts: false,
        signs: &[
            &["address already in use"],
            &["errno 98"],
            &["port is already allocated"],
            &["couldn't bind", "port"],
        ],
    },
    KnownCause {
        code: "image-not-found",
        sentence: "the container image does not exist under that name, or the registry hides it from this login; check `image` in the config and the registry's login on the node",
        lasts: true,
        signs: &[
            &["manifest unknown"],
            &["manifest for", "not found"],
            &["pull access denied"],
            &["no such image"],
            &["repository does not exist"],
        ],
    },
    KnownCause {
        code: "model-access-denied",
        sentence: "the model hub refused access; set HF_TOKEN to a token whose owner has accepted the model's conditions",
        lasts: true,
        signs: &[
            &["gatedrepoerror"],
            &["cannot access gated repo"],
            &["access to model", "is restricted"],
            &["401 client error", "huggingface"],
            &["403 client error", "huggingface"],
            &["invalid user token"],
        ],
    },
    KnownCause {
        code: "model-not-found",
        sentence: "the model is neither on the hub under that name nor in that folder; check `model` in the config and the cache's mount",
        lasts: true,
        signs: &[
            &["repositorynotfounderror"],
            &["is not a local folder and is not a valid model identifier"],
            &["failed to load model from file"],
        ],
    },
    KnownCause {
        code: "disk-full",
        sentence: "the disk is full; free space on the node, the model cache and the container storage come first",
        lasts: true,
        signs: &[&["no space left on device"], &["disk quota exceeded"], &["errno 28"]],
    },
    KnownCause {
        code: "host-out-of-memory",
        sentence: "the host ran out of memory and the kernel or the scheduler killed the process; ask for more memory or fewer worker processes",
        lasts: false,
        signs: &[
            &["oom-kill"],
            &["out of memory: killed process"],
            &["oom_kill event"],
            &["std::bad_alloc"],
            &["cannot allocate memory"],
        ],
    },
    KnownCause {
        code: "shared-memory-too-small",
        sentence: "/dev/shm is too small; raise `docker.shm-size-mib` in the runner profile or use the host's IPC namespace",
        lasts: true,
        signs: &[&["insufficient shared memory"], &["bus error"]],
    },
    KnownCause {
        code: "cdi-unavailable",
        sentence: "the container engine found no such device by CDI; switch CDI on (`features: {cdi: true}` in /etc/docker/daemon.json before Docker 28.2) and write the node's specification (`nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml`)",
        lasts: true,
        signs: &[&["device driver \"cdi\""], &["unresolvable cdi devices"]],
    },
    KnownCause {
        code: "container-toolkit-missing",
        sentence: "the container engine cannot hand out GPUs; install the NVIDIA Container Toolkit on the node, or name the devices in the runner profile",
        lasts: true,
        signs: &[&["could not select device driver"]],
    },
    KnownCause {
        code: "no-gpu",
        sentence: "no GPU is visible to the engine; check the runner profile's devices and CUDA_VISIBLE_DEVICES or HIP_VISIBLE_DEVICES",
        lasts: true,
        signs: &[
            &["no cuda-capable device is detected"],
            &["no cuda gpus are available"],
            &["no hip gpus are available"],
            &["failed to infer device type"],
        ],
    },
    KnownCause {
        code: "command-not-found",
        sentence: "a program that the recipe calls is not installed there; check the image and the recipe",
        lasts: true,
        signs: &[
            &["command not found"],
            &["executable file not found in $path"],
            &["modulenotfounderror"],
        ],
    },
];

impl KnownCause {
    /// The cause with a code.
    #[must_use]
    pub fn of_code(code: &str) -> Option<&'static Self> {
        KNOWN.iter().find(|cause| cause.code == code)
    }
}

/// The known cause that a log shows, if there is one.
#[must_use]
pub fn diagnose(log: &str) -> Option<Diagnosis> {
    let lines: Vec<(&str, String)> = log.lines().map(|line| (line, line.to_lowercase())).collect();
    KNOWN.iter().find_map(|cause| {
        let shows = |line: &str| cause.signs.iter().any(|parts| parts.iter().all(|part| line.contains(part)));
        let (line, _) = lines.iter().find(|(_, lower)| shows(lower))?;
        Some(Diagnosis {
            cause,
            line: line.trim().chars().take(QUOTED).collect(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_cause_of_real_messages() {
        for (line, code) in [
            (
                "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB",
                "gpu-out-of-memory",
            ),
            ("RuntimeError: HIP out of memory.", "gpu-out-of-memory"),
            (
                "[Rank 3] Watchdog caught collective operation timeout: WorkNCCL(...)",
                "collective-timeout",
            ),
            ("OSError: [Errno 98] Address already in use", "port-in-use"),
            (
                "docker: Error response from daemon: manifest for x/y:z not found: manifest unknown",
                "image-not-found",
            ),
            ("huggingface_hub.errors.GatedRepoError: 401 Client Error.", "model-access-denied"),
            ("OSError: [Errno 28] No space left on device", "disk-full"),
            ("slurmstepd: error: Detected 1 oom_kill event in StepId=7.0", "host-out-of-memory"),
            (
                "RuntimeError: The NVIDIA driver on your system is too old (found version 11040).",
                "driver-mismatch",
            ),
            ("recipe.sh: line 4: vllm: command not found", "command-not-found"),
            (
                "could not select device driver \"\" with capabilities: [[gpu]]",
                "container-toolkit-missing",
            ),
            ("could not select device driver \"cdi\" with capabilities: []", "cdi-unavailable"),
            (
                "CDI device injection failed: unresolvable CDI devices nvidia.com/gpu=9",
                "cdi-unavailable",
            ),
        ] {
            let found = diagnose(&format!("INFO start\n{line}\nINFO end")).unwrap_or_else(|| panic!("{line}"));
            assert_eq!((found.cause.code, found.line.as_str()), (code, line));
        }
    }

    #[test]
    fn says_nothing_about_an_ordinary_log() {
        assert_eq!(diagnose("INFO: loading weights\nINFO: Application startup complete.\n"), None);
    }

    #[test]
    fn signs_are_lower_case_and_codes_are_unique() {
        let mut codes: Vec<_> = KNOWN.iter().map(|cause| cause.code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), KNOWN.len());
        let parts = KNOWN.iter().flat_map(|cause| cause.signs).flat_map(|parts| parts.iter());
        assert!(parts.into_iter().all(|part| part.to_lowercase() == **part));
    }
}
