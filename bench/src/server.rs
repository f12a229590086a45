//! A memcached of our own, and which cores everything runs on.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Killed when dropped.
pub struct Memcached {
    child: Child,
    address: String,
}

impl Memcached {
    /// One thread, on core 0, on a free port of the loopback.
    pub fn start() -> Memcached {
        let file = std::env::temp_dir().join(format!("memlink-bench-{}.port", std::process::id()));
        let (program, first) = match has_taskset() {
            true => ("taskset", &["-c", "0", "memcached"][..]),
            false => ("memcached", &[][..]),
        };
        let child = Command::new(program)
            .args(first)
            .args(["-u", "nobody", "-l", "127.0.0.1", "-p", "-1", "-U", "0", "-t", "1", "-m", "1024", "-c", "4096"])
            .env("MEMCACHED_PORT_FILENAME", &file)
            .stdin(Stdio::null())
            .spawn()
            .expect("memcached can be started: install it first");
        let ends = Instant::now() + Duration::from_secs(10);
        let port = loop {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            if let Some(port) = text.lines().find_map(|line| line.strip_prefix("TCP INET: ")) {
                break port.trim().to_owned();
            }
            assert!(Instant::now() < ends, "memcached did not say which port it listens on");
            std::thread::sleep(Duration::from_millis(5));
        };
        let _ = std::fs::remove_file(file);
        Memcached { child, address: format!("127.0.0.1:{port}") }
    }

    pub fn address(&self) -> String {
        self.address.clone()
    }

    pub fn version(&self) -> String {
        let output = Command::new("memcached").arg("-V").output().expect("memcached says its version");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for Memcached {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn has_taskset() -> bool {
    Command::new("taskset").arg("--version").stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Runs this program once more, on core 1, where that can be done.
pub fn rerun_pinned() -> bool {
    if !has_taskset() {
        eprintln!("no taskset: the server and the client are not kept apart");
        return false;
    }
    let program = std::env::current_exe().expect("this program has a path");
    let status = Command::new("taskset")
        .args(["-c", "1"])
        .arg(program)
        .args(std::env::args_os().skip(1))
        .env("MEMLINK_BENCH_PINNED", "1")
        .status();
    status.is_ok_and(|status| std::process::exit(status.code().unwrap_or(1)))
}

/// Moves this thread, and with it all threads that it will start, to these cores.
pub fn pin_to(cores: &str) {
    let _ = Command::new("taskset")
        .args(["-c", "-p", cores, &std::process::id().to_string()])
        .stdout(Stdio::null())
        .status();
}
