//! Which cores everything runs on.

use std::process::{Command, Stdio};
use std::sync::LazyLock;

static TASKSET: LazyLock<bool> = LazyLock::new(|| {
    let found = Command::new("taskset").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let found = found.is_ok_and(|status| status.success());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if !found || cores < 2 {
        eprintln!("no taskset, or one core: the server and the client are not kept apart");
    }
    found && cores >= 2
});

/// A program to be run on these cores, where the system allows.
pub fn pinned(cores: &str, program: impl AsRef<std::ffi::OsStr>) -> Command {
    if !*TASKSET {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", cores]).arg(program);
    command
}
