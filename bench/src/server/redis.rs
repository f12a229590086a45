//! A redis-server of our own.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::Running;
use crate::cores;
use crate::data::{Key, value_of};
use crate::workload::Workload;

/// On core 0, on a free port of the loopback, without a disk. Killed when dropped.
pub struct Redis {
    child: Child,
    addresses: Vec<String>,
}

/// Items that are stored before their replies are read.
const FILL: usize = 500;

impl Redis {
    pub fn start_with_items(workload: &Workload) -> Redis {
        let redis = Redis::start(workload.server_args);
        redis.fill(workload).expect("redis-server takes the items");
        redis
    }

    fn start(more: &[&str]) -> Redis {
        // It cannot be told to choose a port.
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
        let mut command = cores::pinned("0", "redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &free.port().to_string()]);
        command.args(["--save", "", "--appendonly", "no", "--daemonize", "no"]).args(more);
        command.current_dir(std::env::temp_dir()).stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().expect("redis-server can be started: install it first");
        let redis = Redis { child, addresses: vec![free.to_string()] };
        let ends = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(free).is_err() {
            assert!(Instant::now() < ends, "redis-server does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        redis
    }

    fn fill(&self, workload: &Workload) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(&self.addresses[0])?;
        for first in (0..workload.keys).step_by(FILL) {
            let numbers = first..workload.keys.min(first + FILL);
            let mut bytes = Vec::new();
            for key in numbers.clone().map(Key::of) {
                let value = value_of(&key, workload.value_len);
                let text = key.as_str();
                write!(bytes, "*3\r\n$3\r\nSET\r\n${}\r\n{text}\r\n${}\r\n", text.len(), value.len())?;
                bytes.extend_from_slice(&value);
                bytes.extend_from_slice(b"\r\n");
            }
            stream.write_all(&bytes)?;
            let mut answer = vec![0; numbers.len() * b"+OK\r\n".len()];
            stream.read_exact(&mut answer)?;
            assert_eq!(answer, b"+OK\r\n".repeat(numbers.len()), "redis-server refuses an item");
        }
        Ok(())
    }
}

impl Running for Redis {
    fn addresses(&self) -> &[String] {
        &self.addresses
    }

    fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
