use std::time::Duration;

use bytes::BytesMut;
use memlink_core::{Command as _, encode_to_vec};
use memlink_meta::{FaultClass, Peer};
use memlink_testserver::{Cache, Session, Settings, Step, Version};

use crate::barrier::{self, BARRIER, Came};
use crate::command::NOW;
use crate::{Any, Choices, ITEM_LEN_MAX, any_command};

/// A command of any parts is refused before a byte is written, or the server sees exactly one and answers it once.
///
/// ```text
///   version, opaques, the number of the first command | commands to the same server, each with a barrier behind it
/// ```
pub fn commands(input: &[u8]) {
    let mut choices = Choices::new(input);
    let setup = choices.byte();
    let (version, peer) = match setup & 1 {
        0 => (Version::V1_6_45, Peer::new(memlink_meta::Version::new(1, 6, 45))),
        _ => (Version::V1_6_18, Peer::new(memlink_meta::Version::new(1, 6, 18))),
    };
    let peer = if setup & 2 == 0 { peer } else { peer.without_opaque() };
    let mut serial = choices.number();
    let mut server = Server::start(version, setup & 4 != 0);
    for _ in 0..3 {
        if let Ok(command) = any_command(&mut choices)
            && command.check(&peer).is_ok()
        {
            server.ask(&peer, &command, serial);
        }
        if choices.is_empty() {
            break;
        }
        serial = serial.wrapping_add(1);
    }
}

/// The embedded server, one conversation with it, and what it has executed.
struct Server {
    cache: Cache,
    session: Session,
    input: BytesMut,
    output: BytesMut,
    executed: usize,
}

const CLOCK: Duration = Duration::from_secs(NOW);

impl Server {
    fn start(version: Version, is_full: bool) -> Server {
        let mut settings = Settings::default();
        settings.version = version;
        settings.records = true;
        settings.item_bytes_max = ITEM_LEN_MAX;
        if is_full {
            settings.memory_bytes_max = 200;
            settings.evicts = false;
        }
        let mut cache = Cache::new(settings, CLOCK);
        let session = Session::new(&mut cache);
        Server { cache, session, input: BytesMut::new(), output: BytesMut::new(), executed: 0 }
    }

    fn ask(&mut self, peer: &Peer, command: &Any, serial: u64) {
        let mut expect = None;
        let bytes = encode_to_vec(|out| expect = Some(command.encode(peer, serial, out)));
        let Some(expect) = expect else { return };
        let line_len = bytes.windows(2).position(|pair| pair == b"\r\n").unwrap_or(bytes.len());
        let line = bytes.get(..line_len).unwrap_or_default();
        self.input.extend_from_slice(&bytes);
        self.input.extend_from_slice(BARRIER);
        self.output.clear();
        while self.session.handle(&mut self.cache, CLOCK, &mut self.input, &mut self.output) == Step::WriteOutput {}
        assert!(self.input.is_empty(), "{}: not all of it was read", line.escape_ascii());
        let seen = self.cache.executed().get(self.executed..).unwrap_or_default();
        let is_one = seen.len() == 2 && seen[0].line == line.get(..2_048).unwrap_or(line) && seen[1].line == "mn";
        self.executed += seen.len();
        let is_good = match barrier::read(command, &expect, serial, &self.output) {
            // What is too large is answered and never executed.
            Ok(Came::Whole(answer)) => {
                is_one || answer.fault().is_some_and(|fault| fault.class() == FaultClass::Server)
            }
            Ok(Came::Part) | Err(_) => false,
        };
        assert!(
            is_good,
            "{} was answered {}: {:?}",
            line.escape_ascii(),
            self.output.escape_ascii(),
            barrier::read(command, &expect, serial, &self.output)
        );
    }
}
