use memlink_core::{Command as _, Limits};
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
    let opening = [VERSIONS[usize::from(setup) % VERSIONS.len()], b"EN\r\n"];
    let whole = feed(setup, &opening, &commands, stream, Cuts::Whole);
    let cut = feed(setup, &opening, &commands, stream, cuts);
    assert_eq!(whole.broken, cut.broken, "the end depends on how the bytes were cut");
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

/// What is said of any server's answer.
fn check(answer: &Answer) {
    if let Some(fault) = answer.fault() {
        let text = fault.text();
        assert!(text.len() <= 1_000 && !text.contains(char::is_control), "{text:?} would end up in a log");
    }
}
