//! The table of known causes, and patterns of harmless lines with similar words. Sources: messages of PyTorch, CUDA, HIP, NCCL/RCCL,
//! vLLM, SGLang, TensorRT-LLM, the Hugging Face hub, Docker, the Linux kernel, libc.

use super::{KnownCause, Sign};

/// Lines that working engines print: their configuration, and warnings of libraries about optional features.
pub(super) static ORDINARY: [Sign; 8] = [
    // SGLang, vLLM
    &["serverargs("],
    &["args: namespace("],
    &["non-default args"],
    &["llm engine", "with config:"],
    // NCCL's reporting socket; two jobs on one node compete for it.
    &["nccl", "call to bind failed"],
    // llama.cpp, if memory may not be locked.
    &["failed to mlock"],
    // The kernel's reports on corrected errors, and messages of the desktop bus.
    &["pcie bus error"],
    &["d-bus"],
];

/// The more specific cause comes first; causes that are often consequences of others come last.
pub(super) static KNOWN: [KnownCause; 15] = [
    KnownCause {
        code: "driver-mismatch",
        sentence: "the GPU driver is too old for the image's CUDA or ROCm, or driver and library differ; update the driver of the node or take an older image",
        lasts: true,
        follows: false,
        signs: &[
            &["driver version is insufficient"],
            &["cuda driver version", "insufficient"],
            &["driver/library version mismatch"],
            &["nvidia driver on your system is too old"],
            &["forward compatibility was attempted on non supported hw"],
        ],
    },
    KnownCause {
        code: "gpu-lost",
        sentence: "a GPU of the node is lost or must be reset; look at nvidia-smi and dmesg (Xid), reset the GPU or reboot the node",
        lasts: true,
        follows: false,
        signs: &[
            &["gpu is lost"],
            &["gpu has fallen off the bus"],
            &["gpu requires reset"],
            &["unable to determine the device handle for gpu"],
        ],
    },
    KnownCause {
        code: "gpu-out-of-memory",
        sentence: "the GPU has too little free memory; lower the memory fraction, the context length or the concurrency, use more GPUs, or look for another process on them",
        lasts: false,
        follows: false,
        signs: &[
            &["cuda out of memory"],
            &["hip out of memory"],
            &["outofmemoryerror"],
            &["cuda error: out of memory"],
            &["cuda runtime error", "out of memory"],
            &["hiperroroutofmemory"],
            &["cudaerrormemoryallocation"],
            &["no available memory for the cache blocks"],
            &["free memory on device", "less than desired gpu memory utilization"],
            &["not enough memory", "mem-fraction"],
            &["failed to allocate", "vram"],
        ],
    },
    KnownCause {
        code: "port-in-use",
        sentence: "the port is taken by another process; leave PORT unset so that a free one is chosen, or end that process",
        lasts: false,
        follows: false,
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
        follows: false,
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
        follows: false,
        signs: &[
            &["gatedrepoerror"],
            &["cannot access gated repo"],
            &["trying to access a gated repo"],
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
        follows: false,
        signs: &[
            &["repositorynotfounderror"],
            &["is not a local folder and is not a valid model identifier"],
            &["failed to load model from file"],
        ],
    },
    KnownCause {
        code: "shared-memory-too-small",
        sentence: "/dev/shm is too small; raise `docker.shm-size-mib` in the runner profile or use the host's IPC namespace",
        lasts: true,
        follows: false,
        signs: &[
            &["insufficient shared memory"],
            &["/dev/shm", "no space left on device"],
            // Bash reports the script and the line of a command that was killed by a signal.
            &["line", "bus error"],
            &["bus error", "core dumped"],
            &["fatal python error: bus error"],
            &["signal: bus error"],
            &["signal 7", "bus error"],
        ],
    },
    KnownCause {
        code: "disk-full",
        sentence: "the disk is full; free space on the node, the model cache and the container storage come first",
        lasts: true,
        follows: false,
        signs: &[&["no space left on device"], &["disk quota exceeded"], &["errno 28"]],
    },
    KnownCause {
        code: "host-out-of-memory",
        sentence: "the host ran out of memory and the kernel or the scheduler killed the process; ask for more memory or fewer worker processes",
        lasts: false,
        follows: false,
        signs: &[
            &["oom-kill"],
            &["oom-killer"],
            &["out of memory: killed process"],
            &["oom_kill event"],
            &["std::bad_alloc"],
            &["cannot allocate memory"],
        ],
    },
    KnownCause {
        code: "cdi-unavailable",
        sentence: "the container engine found no such device by CDI; switch CDI on (`features: {cdi: true}` in /etc/docker/daemon.json before Docker 28.2) and write the node's specification (`nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml`)",
        lasts: true,
        follows: false,
        signs: &[&["device driver \"cdi\""], &["unresolvable cdi devices"]],
    },
    KnownCause {
        code: "container-toolkit-missing",
        sentence: "the container engine cannot hand out GPUs; install the NVIDIA Container Toolkit on the node, or name the devices in the runner profile",
        lasts: true,
        follows: false,
        signs: &[&["could not select device driver"]],
    },
    KnownCause {
        code: "no-gpu",
        sentence: "no GPU is visible to the engine; check the runner profile's devices and CUDA_VISIBLE_DEVICES or HIP_VISIBLE_DEVICES",
        lasts: true,
        follows: false,
        signs: &[
            &["no cuda-capable device is detected"],
            &["no cuda gpus are available"],
            &["no hip gpus are available"],
            &["failed to infer device type"],
        ],
    },
    KnownCause {
        code: "collective-timeout",
        sentence: "a collective operation between GPUs (NCCL or RCCL) failed or timed out; look at the other ranks' logs, at NVLink or InfiniBand, and at NCCL_DEBUG=INFO",
        lasts: false,
        follows: true,
        signs: &[
            &["collective operation timeout"],
            &["nccl operations have failed or timed out"],
            &["timeout at nccl work"],
            &["failure detected by watchdog"],
            &["either an error or timeout", "detected by watchdog"],
            &["nccl", "timed out"],
            &["rccl", "timed out"],
            &["nccl error"],
            &["rccl error"],
            &["nccl", "unhandled"],
        ],
    },
    KnownCause {
        code: "command-not-found",
        sentence: "a program that the recipe calls is not installed there; check the image and the recipe",
        lasts: true,
        follows: true,
        signs: &[
            &[": command not found"],
            &["executable file not found in $path"],
            &["modulenotfounderror"],
        ],
    },
];
