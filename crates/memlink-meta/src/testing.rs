//! What the tests of commands have in common.

use memlink_core::{Ask, Frame, Limits, Malformed, Protocol, Reply, Unsupported, Verdict, encode_to_vec};

use crate::{Expect, Invalid, Key, Meta, Peer, State, Verb, Version};

/// The clock of all tests: in the year 2027.
pub(crate) const NOW: u64 = 1_800_000_000;

pub(crate) fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

pub(crate) fn peer(patch: u16) -> Peer {
    Peer::new(Version::new(1, 6, patch))
}

/// What the command looks like on the wire as the first of a connection, so that its opaque is `OAAAA`.
pub(crate) fn wire_to(peer: &Peer, mut command: impl Verb) -> String {
    command.prepare(|| NOW).unwrap();
    command.check(peer).unwrap();
    let bytes = encode_to_vec(|out| {
        command.encode(peer, 0, out);
    });
    String::from_utf8(bytes).unwrap()
}

/// As [`wire_to`], for the newest server.
pub(crate) fn wire(command: impl Verb) -> String {
    wire_to(&peer(45), command)
}

pub(crate) fn invalid(mut command: impl Verb) -> Invalid {
    command.prepare(|| NOW).unwrap_err()
}

pub(crate) fn unsupported(patch: u16, command: impl Verb) -> Unsupported {
    command.check(&peer(patch)).unwrap_err()
}

pub(crate) fn expect(peer: &Peer, command: &impl Verb, serial: u64) -> Expect {
    let mut expect = None;
    encode_to_vec(|out| expect = Some(command.encode(peer, serial, out)));
    expect.unwrap()
}

/// What the command makes of the server's bytes: framed, then decoded.
pub(crate) fn answer_from<C: Verb>(peer: &Peer, command: &C, input: &[u8]) -> Result<C::Output, Malformed> {
    let expect = expect(peer, command, 0);
    let (mut state, mut rest, mut frames) = (State::default(), input, Vec::new());
    loop {
        let ask = Some(Ask { expect: &expect, serial: 0 });
        let verdict = Meta::new().frame(&mut state, ask, rest, &Limits::default());
        match verdict {
            Verdict::Part { len, tail } => {
                frames.push(Frame::copy_from(&rest[..len - tail]));
                rest = &rest[len..];
            }
            Verdict::Reply { len, tail } | Verdict::Last { len, tail, .. } => {
                assert_eq!(len, rest.len(), "the reply was not read to its end");
                let end = Frame::copy_from(&rest[..len - tail]);
                if frames.is_empty() {
                    return command.decode(Reply::One(end));
                }
                frames.push(end);
                return command.decode(Reply::Many(frames));
            }
            verdict => panic!("{verdict:?}"),
        }
    }
}

/// As [`answer_from`], of the newest server.
pub(crate) fn answer<C: Verb>(command: &C, input: impl AsRef<[u8]>) -> C::Output {
    answer_from(&peer(45), command, input.as_ref()).unwrap()
}
