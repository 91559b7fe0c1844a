//! The `wicketgate` program: closed memory, allocator, runtime, panic hook, exit code.

use std::{io::Write, panic, process::ExitCode};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    panic::set_hook(Box::new(|panic| {
        // The location only: a panic's message may hold what the code was working on.
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        let _ = writeln!(std::io::stderr(), "error: internal error at {place}");
    }));
    // Before any secret is read.
    if let Err(fault) = wicketgate::cli::process::close_memory() {
        let _ = writeln!(std::io::stderr(), "warning: {fault}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        let _ = writeln!(
            std::io::stderr(),
            "error: the asynchronous runtime did not start"
        );
        return ExitCode::FAILURE;
    };
    runtime.block_on(wicketgate::cli::run(std::env::args_os()))
}
