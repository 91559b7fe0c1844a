//! The process itself: its memory, which holds secrets in the clear, is kept from other processes of
//! the same user and out of core files. What the system refuses is reported, never fatal.

use rustix::process::{Resource, Rlimit, setrlimit};

/// Closes this process's memory: no core file, and on Linux no debugger, and no `/proc/PID/mem` or
/// `/proc/PID/environ` for others than root. Says what did not work. For the first thing a program
/// does, before it reads a secret.
pub fn close_memory() -> Result<(), &'static str> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none).map_err(|_| "core files could not be switched off")?;
    undumpable()
}

#[cfg(target_os = "linux")]
fn undumpable() -> Result<(), &'static str> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|_| "the process could not be closed to debuggers")
}

#[cfg(not(target_os = "linux"))]
const fn undumpable() -> Result<(), &'static str> {
    Ok(())
}
