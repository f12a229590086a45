use memlink::Server;
use memlink::discovery::DiscoveryError;
use memlink::discovery::parsers::{Ask, Configuration, elasticache, file};
use memlink_core::{Command as _, Limits};

use crate::Choices;
use crate::feed::{Cuts, Fed, Feed};
use crate::memory::Measure;

/// What the sources of servers say: a configuration endpoint, on the wire and as a text, and a file.
///
/// ```text
///   which of them, cuts | what it says
/// ```
pub fn discovery(input: &[u8]) {
    let mut choices = Choices::new(input);
    let (source, cuts) = (choices.byte(), Cuts::of(choices.byte()));
    let said = choices.rest();
    match source % 4 {
        0 => check(said, |text| elasticache(text).map(|(_, servers)| servers)),
        1 | 2 => check(said, file),
        _ => {
            let asks = [[Ask::Config, Ask::Item], [Ask::Item, Ask::Config]][usize::from(source >> 7)];
            let (whole, cut) = (ask(asks, said, Cuts::Whole), ask(asks, said, cuts));
            assert_eq!(whole.broken, cut.broken, "the end depends on how the bytes were cut");
            for ((whole, cut), ask) in whole.ended.into_iter().zip(cut.ended).zip(asks) {
                let read = |ended: Option<Result<_, _>>| ended.map(|result| result.map(|reply| ask.decode(reply)));
                assert_eq!(read(whole), read(cut), "an answer depends on how the bytes were cut");
            }
        }
    }
}

fn ask(asks: [Ask; 2], said: &[u8], mut cuts: Cuts) -> Fed {
    let mut feed = Feed::new(Configuration, Limits { value_len_max: 1 << 20, ..Limits::default() });
    for ask in &asks {
        feed.submit(ask);
    }
    feed.enter(&asks);
    feed.receive_in_pieces(said, &mut cuts);
    feed.end()
}

/// Servers or an error, of bounded memory, and nothing of which would spoil a log.
fn check(said: &[u8], read: impl Fn(&[u8]) -> Result<Vec<Server>, DiscoveryError>) {
    let measure = Measure::begin();
    let result = read(said);
    let (peak, most) = (measure.peak(), 200 * said.len() + 64 * 1024);
    assert!(peak <= most, "{} bytes took {peak}", said.len());
    match result {
        // A name is the user's own; an address is not shown but escaped.
        Ok(servers) => assert!(servers.len() <= said.len(), "{} servers of {} bytes", servers.len(), said.len()),
        Err(error) => {
            let text = error.to_string();
            assert!(!text.contains(char::is_control), "{text:?} would spoil a log");
        }
    }
}
