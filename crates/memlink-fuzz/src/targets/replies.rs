use memlink_core::{Command as _, Limits, Reply};
use memlink_meta::{Meta, Version};

use crate::feed::{Cuts, Fed, Feed};
use crate::{Answer, Any, Choices, any_command};

/// Replies of a memcached, or of whatever says it is one.
///
/// ```text
///   setup, cuts, how many commands, the commands | what the server sends, from its first byte or behind a good opening
/// ```
pub fn replies(input: &[u8]) {
    let mut choices = Choices::new(input);
    let (setup, cuts) = (choices.byte(), Cuts::of(choices.byte()));
    let count = 1 + choices.below(6);
    let commands: Vec<Any> = (0..count).filter_map(|_| any_command(&mut choices).ok()).collect();
    let stream = choices.rest();
    if setup >= 0xe0 {
        // What it says before it is asked cannot be told from what it says afterwards, so there is nothing to compare.
        return drop((feed(setup, &[], &commands, stream, Cuts::Whole), feed(setup, &[], &commands, stream, cuts)));
    }
    const VERSIONS: [&[u8]; 4] =
        [b"VERSION 1.6.45\r\n", b"VERSION 1.6.18\r\n", b"VERSION 1.6.12\r\n", b"VERSION of another\r\n"];
    let opening = [VERSIONS[usize::from(setup) % VERSIONS.len()], b"EN Oprobe\r\n"];
    let whole = feed(setup, &opening, &commands, stream, Cuts::Whole);
    let cut = feed(setup, &opening, &commands, stream, cuts);
    assert_eq!(whole.broken, cut.broken, "the end depends on how the bytes were cut");
    if setup & 0x10 == 0 {
        // The third and fourth version are older than an opaque on misses, unless the client was told otherwise.
        check_places(&commands, &whole, setup % 4 >= 2 && setup & 0x08 == 0);
    }
    let read = |fed: Fed| {
        fed.ended
            .into_iter()
            .zip(&commands)
            .map(|(ended, command)| ended.map(|result| result.map(|reply| command.decode(reply))))
            .collect::<Vec<_>>()
    };
    let (whole, cut) = (read(whole), read(cut));
    assert_eq!(whole, cut, "a reply depends on how the bytes were cut");
    for answer in whole.into_iter().flatten().flatten().flatten() {
        check(&answer);
    }
}

fn feed(setup: u8, opening: &[&[u8]], commands: &[Any], stream: &[u8], mut cuts: Cuts) -> Fed {
    let protocol = Meta::new().with_opaque(setup & 0x10 == 0);
    let protocol = if setup & 0x08 == 0 { protocol } else { protocol.with_version(Version::new(1, 6, 45)) };
    let mut feed = Feed::new(protocol, Limits::default());
    for command in commands {
        feed.submit(command);
    }
    for answer in opening {
        feed.receive(answer);
    }
    assert!(opening.is_empty() || feed.is_open(), "a good opening");
    feed.enter(commands);
    feed.receive_in_pieces(stream, &mut cuts);
    feed.end()
}

/// A reply to a command that carries an opaque has that one, or is an error line, or a miss of an old server.
fn check_places(commands: &[Any], fed: &Fed, is_old: bool) {
    // The opening exchange has the first two.
    let mut serial = FIRST_SERIAL;
    for (command, ended) in commands.iter().zip(&fed.ended) {
        let Some(ended) = ended else { continue };
        let opaque = [b" OAAA".as_slice(), &ALPHABET[serial..=serial]].concat();
        serial += 1;
        let (Ok(Reply::One(frame)), Any::Get(_) | Any::Set(_) | Any::Delete(_) | Any::Arithmetic(_)) = (ended, command)
        else {
            continue;
        };
        let line = frame.as_slice().split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let has_none = !line.windows(2).any(|pair| pair == b" O");
        let is_free = (is_old && has_none && line.starts_with(b"EN"))
            || [&b"ERROR"[..], b"CLIENT_ERROR", b"SERVER_ERROR"].iter().any(|word| line.starts_with(word));
        let is_own = line.windows(opaque.len()).any(|window| window == opaque);
        assert!(is_own || is_free, "{} is another's, not {command:?}'s", line.escape_ascii());
    }
}

const FIRST_SERIAL: usize = 2;

/// What the last character of an opaque is, written here a second time.
const ALPHABET: &[u8] = b"ABCDEFGHIJ";

/// What is said of any server's answer.
fn check(answer: &Answer) {
    if let Some(fault) = answer.fault() {
        let text = fault.text();
        assert!(text.len() <= 1_000 && !text.contains(char::is_control), "{text:?} would end up in a log");
    }
}
