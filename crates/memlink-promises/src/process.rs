//! What this process holds, as Linux tells it.

use crate::Failure;

/// Open descriptors.
pub(crate) fn descriptors() -> Result<usize, Failure> {
    // The one by which they are listed is among them each time.
    Ok(std::fs::read_dir("/proc/self/fd")?.count())
}

/// Threads.
pub(crate) fn threads() -> Result<usize, Failure> {
    status("Threads:")
}

/// Memory in use, in KiB.
pub(crate) fn resident_kib() -> Result<usize, Failure> {
    status("VmRSS:")
}

/// Processor time: that of this process, and that which nobody has used. Unit and start are the system's own; differences count.
pub(crate) fn processor() -> Result<(u64, u64), Failure> {
    let own = std::fs::read_to_string("/proc/self/stat")?;
    let own = own.rsplit_once(") ").map(|(_, rest)| rest).ok_or("/proc/self/stat has no name")?;
    let idle = std::fs::read_to_string("/proc/stat")?;
    let number =
        |text: &str, index: usize| text.split_whitespace().nth(index).and_then(|word| word.parse::<u64>().ok());
    let used = number(own, 11).zip(number(own, 12)).map(|(user, system)| user + system);
    Ok(used.zip(number(&idle, 4)).ok_or("/proc has no such numbers")?)
}

/// Tasks of this runtime that have not ended.
pub(crate) fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

fn status(name: &str) -> Result<usize, Failure> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().next()).ok_or("/proc/self/status has no such line")?;
    Ok(number.parse()?)
}
