//! Messages of real engines, lines that show no failure, and precedence between causes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should panic")]

use super::*;

fn code(log: &str) -> Option<&'static str> {
    diagnose(log).map(|found| found.cause.code)
}

#[test]
fn names_the_cause_of_real_messages() {
    for (line, code) in [
        (
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB",
            "gpu-out-of-memory",
        ),
        ("RuntimeError: HIP out of memory.", "gpu-out-of-memory"),
        (
            "[TensorRT-LLM][ERROR] CUDA runtime error in ::cudaMallocAsync(ptr, n): out of memory",
            "gpu-out-of-memory",
        ),
        (
            "ValueError: Free memory on device (5.1/79.1 GiB) on startup is less than desired GPU memory utilization (0.9, 71.2 GiB).",
            "gpu-out-of-memory",
        ),
        (
            "[Rank 3] Watchdog caught collective operation timeout: WorkNCCL(...)",
            "collective-timeout",
        ),
        (
            "[PG ID 2 PG GUID 3 Rank 4] Timeout at NCCL work: 151721, last enqueued NCCL work: 151721",
            "collective-timeout",
        ),
        (
            "[PG ID 2 PG GUID 3 Rank 1]  failure detected by watchdog at work sequence id: 40231",
            "collective-timeout",
        ),
        ("RuntimeError: NCCL error: unhandled system error", "collective-timeout"),
        ("OSError: [Errno 98] Address already in use", "port-in-use"),
        ("listen tcp :8000: bind: address already in use", "port-in-use"),
        (
            "docker: Error response from daemon: manifest for x/y:z not found: manifest unknown",
            "image-not-found",
        ),
        ("huggingface_hub.errors.GatedRepoError: 401 Client Error.", "model-access-denied"),
        ("OSError: You are trying to access a gated repo.", "model-access-denied"),
        ("OSError: [Errno 28] No space left on device", "disk-full"),
        (
            "NCCL WARN Error: failed to extend /dev/shm/nccl-8LlxF9 to 33030532 bytes, error: No space left on device (28)",
            "shared-memory-too-small",
        ),
        (
            "recipe.sh: line 7:   812 Bus error               vllm serve",
            "shared-memory-too-small",
        ),
        (
            "RuntimeError: DataLoader worker (pid 4) is killed by signal: Bus error.",
            "shared-memory-too-small",
        ),
        (
            "Caught signal 7 (Bus error: nonexistent physical address)",
            "shared-memory-too-small",
        ),
        ("slurmstepd: error: Detected 1 oom_kill event in StepId=7.0", "host-out-of-memory"),
        (
            "python3 invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0",
            "host-out-of-memory",
        ),
        (
            "RuntimeError: The NVIDIA driver on your system is too old (found version 11040).",
            "driver-mismatch",
        ),
        (
            "Unable to determine the device handle for GPU0000:3B:00.0: GPU is lost.  Reboot the system to recover this GPU",
            "gpu-lost",
        ),
        ("NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.", "gpu-lost"),
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

/// SGLang's only line about its settings, shortened.
const SGLANG: &str = "[2026-03-12 00:03:06] INFO engine.py:177: server_args=ServerArgs(model_path='m', skip_server_warmup=False, nccl_port=None, \
                      mem_fraction_static=0.83, watchdog_timeout=300, soft_watchdog_timeout=None, dist_timeout=None, enable_nccl_nvls=False)";

#[test]
fn lines_of_working_engines_have_no_diagnosis() {
    for line in [
        "INFO: loading weights",
        "INFO: Application startup complete.",
        SGLANG,
        "INFO 04-26 20:27:43 [core.py:57] Initializing a V1 LLM engine (v0.8.5) with config: model='m', tensor_parallel_size=2, \
         disable_custom_all_reduce=False, distributed_executor_backend=None, nccl_timeout=600, timed out=None",
        "INFO 08-26 09:12:01 [utils.py:326] non-default args: {'model': 'm', 'uvicorn_log_level': 'info', 'distributed_timeout': 600}",
        "INFO api_server.py:1044] args: Namespace(subparser='serve', model_tag='m', nccl_so_path=None, timeout=5)",
        "INFO 08-26 09:12:20 [pynccl.py:69] vLLM is using nccl==2.26.2",
        "[11/20/2025-23:56:51] [TRT-LLM] [I] Set PluginConfig.nccl_plugin to auto.",
        "[TensorRT-LLM][INFO] Executor config: requestTimeout 600, ncclTimeout 600",
        "node1:7:7 [0] NCCL INFO NCCL_IB_TIMEOUT set by environment to 22.",
        "node1:7:7 [1] ras/client_support.cc:160 NCCL WARN Call to bind failed: Address already in use",
        "warning: failed to mlock 4096-byte buffer (after previously locking 0 bytes): Cannot allocate memory",
        "pcieport 0000:00:1c.0: PCIe Bus Error: severity=Corrected, type=Physical Layer",
        "Failed to connect to the D-Bus error: dbus error: line 2",
        "driver said errno 280 and errno 980",
        "usage: a sub-command not found is looked for in plugins",
    ] {
        assert_eq!(diagnose(line), None, "{line}");
    }
}

#[test]
fn sglang_settings_do_not_hide_causes() {
    for (line, expected) in [
        (
            "[Errno 98] error while attempting to bind on address ('127.0.0.1', 30000): address already in use",
            "port-in-use",
        ),
        ("OSError: [Errno 28] No space left on device", "disk-full"),
        (
            "RuntimeError: Not enough memory. Please try to increase --mem-fraction-static.",
            "gpu-out-of-memory",
        ),
        ("recipe.sh: line 9: python3: command not found", "command-not-found"),
    ] {
        assert_eq!(code(&format!("{SGLANG}\n{line}\nbye")), Some(expected));
    }
}

#[test]
fn last_cause_wins_and_consequences_count_only_alone() {
    let (port, memory) = ("[Errno 98] Address already in use", "torch.OutOfMemoryError: CUDA out of memory.");
    let (collective, missing) = ("NCCL error: remote process exited", "x.sh: line 1: numactl: command not found");
    for (lines, expected) in [
        ([port, memory, "bye"], "gpu-out-of-memory"),
        ([memory, port, "bye"], "port-in-use"),
        ([memory, collective, missing], "gpu-out-of-memory"),
        ([missing, collective, "bye"], "collective-timeout"),
        // Both in one line: the table's first.
        (["manifest unknown: no space left on device", "bye", ""], "image-not-found"),
    ] {
        assert_eq!(code(&lines.join("\n")), Some(expected), "{lines:?}");
    }
}

#[test]
fn the_table_is_in_order() {
    let mut codes: Vec<_> = KNOWN.iter().map(|cause| cause.code).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), KNOWN.len());
    let signs = KNOWN.iter().flat_map(|cause| cause.signs).chain(&ORDINARY);
    let mut parts = signs.flat_map(|sign| sign.iter());
    assert!(parts.all(|part| part.to_lowercase() == **part));
    assert!(
        KNOWN.is_sorted_by_key(|cause| cause.follows),
        "what may only follow from another cause stands last"
    );
}
