//! The binary: everything is in the library's `cli` module.

/// Many small values live in configurations and records, many large ones in tables; quick with both.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    recipe::cli::main()
}
