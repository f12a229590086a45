//! Hostile keys, opaques, flags, times and values against real servers: each request with a barrier behind it, and exactly one reply
//! in front of the barrier's.
//!
//! `HOSTILE_REQUESTS` sets how many there are (200,000 before a release), `FUZZ_SEED` which ones, `MEMCACHED` which binary.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use memlink_core::{Command as _, encode_to_vec};
use memlink_fuzz::barrier::{BARRIER, Came, read};
use memlink_fuzz::mutate::Random;
use memlink_fuzz::{Any, Choices, any_command};
use memlink_meta::{Invalid, Key, Peer, Set, Version};
use memlink_processes::Memcached;
use memlink_testserver::TestServer;

use crate::replay::number;

const REQUESTS: u64 = 5_000;

/// One of so many requests has a value of about the largest size.
const LARGE_EVERY: usize = 1_000;

/// How long a reply may take.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn memcached_sees_every_hostile_request_once() {
    let memcached = Memcached::start(&["-t", "1"]).expect("memcached starts");
    let version = Memcached::version().expect("memcached says its version");
    attack("memcached", memcached.address(), Version::parse(&version).expect("a version"));
}

#[test]
fn the_embedded_server_sees_every_hostile_request_once() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let server = runtime.block_on(TestServer::start()).expect("it listens");
    attack("embedded", server.addr(), Version::new(1, 6, 45));
}

/// What became of the requests.
#[derive(Debug, Default)]
struct Counts {
    /// Before a byte was written.
    refused: u64,
    unsupported: u64,
    answered: u64,
    faults: u64,
}

fn attack(name: &str, address: SocketAddr, version: Version) {
    let requests = number("HOSTILE_REQUESTS").unwrap_or(REQUESTS);
    let mut random = Random::new(number("FUZZ_SEED").unwrap_or(1));
    let mut stream = TcpStream::connect(address).expect("it accepts");
    stream.set_nodelay(true).expect("an option that every system has");
    stream.set_read_timeout(Some(PATIENCE)).expect("an option that every system has");
    let peers = [Peer::new(version), Peer::new(version).without_opaque()];
    let (mut counts, mut buffer) = (Counts::default(), vec![0; 1 << 16]);
    while counts.answered < requests {
        let bytes: Vec<u8> = (0..20 + random.below(80)).map(|_| hostile_byte(&mut random)).collect();
        let peer = &peers[usize::from(random.below(8) == 0)];
        let command = match random.below(LARGE_EVERY) {
            0 => large(&mut random),
            _ => any_command(&mut Choices::new(&bytes)),
        };
        match command {
            Err(_) => counts.refused += 1,
            Ok(command) if command.check(peer).is_err() => counts.unsupported += 1,
            Ok(command) => {
                counts.answered += 1;
                let serial = random.any();
                counts.faults += u64::from(ask(&mut stream, &mut buffer, &command, peer, serial));
            }
        }
    }
    println!("{name} {version}: {counts:?}; extra replies 0, missing replies 0");
    assert!(counts.refused > counts.answered / 100, "hostile parts are among them: {counts:?}");
}

/// A value of about the largest size that the server takes.
fn large(random: &mut Random) -> Result<Any, Invalid> {
    let len = (1 << 20) - 300 + random.below(600);
    Ok(Any::Set(Set::new(Key::new([b'a' + random.below(4) as u8])?, vec![b'\n'; len])))
}

/// Any byte, and often one that ends or divides a line.
fn hostile_byte(random: &mut Random) -> u8 {
    const BYTES: &[u8] = b"\r\n\0 \t\x7f\x80\xff\xa0mnsgT0O:";
    match random.below(6) {
        0 => BYTES[random.below(BYTES.len())],
        _ => random.any() as u8,
    }
}

/// Whether the server answered with an error.
fn ask(stream: &mut TcpStream, buffer: &mut [u8], command: &Any, peer: &Peer, serial: u64) -> bool {
    let mut expect = None;
    let mut bytes = encode_to_vec(|out| expect = Some(command.encode(peer, serial, out)));
    let expect = expect.expect("a command says what it awaits");
    bytes.extend_from_slice(BARRIER);
    let shown = || bytes.get(..200.min(bytes.len())).unwrap_or_default().escape_ascii();
    stream.write_all(&bytes).unwrap_or_else(|error| panic!("{error} at {}", shown()));
    let mut reply = Vec::new();
    loop {
        let n = match stream.read(buffer) {
            Ok(n) if n > 0 => n,
            end => panic!("{end:?} after {} for {}", reply.escape_ascii(), shown()),
        };
        reply.extend_from_slice(&buffer[..n]);
        // A large value is not looked at before it may be whole.
        if !reply.ends_with(b"MN\r\n") {
            continue;
        }
        match read(command, &expect, serial, &reply) {
            Ok(Came::Part) => {}
            Ok(Came::Whole(answer)) => return answer.fault().is_some(),
            Err(wrong) => panic!("{wrong}: {} for {}", reply.escape_ascii(), shown()),
        }
    }
}
