//! The `imax-nvml` binary, which reads NVIDIA's library for a static `imax`.

fn main() -> std::process::ExitCode {
    imax::cli::nvml_main()
}
