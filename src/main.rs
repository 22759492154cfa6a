//! The `imax` binary.

/// Planning is a few hundred thousand small allocations, and the allocator of musl, which the released binaries are
/// linked with, is slow at those.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    imax::cli::main()
}
