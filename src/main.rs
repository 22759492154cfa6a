//! The `imax` binary.

fn main() -> std::process::ExitCode {
    imax::cli::main()
}
