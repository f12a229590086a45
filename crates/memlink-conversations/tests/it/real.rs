//! The first way: a real memcached, as many of them as there are conversations.

use std::time::UNIX_EPOCH;

use memlink_conversations::{Conversation, Match, Release, Scene, Step, Template};

use crate::doors::{Door, Stream};
use crate::embedded::{PIECES, PieceLen, WHOLE};
use crate::memcached::{self, Memcached};

/// In pieces every so many-th conversation is held.
const PIECES_EVERY: usize = 8;

#[test]
fn memcached_answers_as_the_table_says() {
    check(Door::Unix);
}

#[test]
fn memcached_answers_over_tcp_as_the_table_says() {
    check(Door::Tcp);
}

#[test]
fn memcached_answers_over_tls_as_the_table_says() {
    memcached::must_speak_tls();
    check(Door::Tls);
}

fn version() -> Result<(String, Release), String> {
    let version = memcached::version()?;
    let release = Release::of_version(&version).ok_or_else(|| {
        format!("memcached {version} is neither 1.6.18 nor 1.6.45 or newer, and the table holds for no other")
    })?;
    Ok((version, release))
}

/// Every conversation whole, and some once more in pieces.
fn check(door: Door) {
    let (version, release) = version().expect("a memcached that the table holds for");
    let all = memlink_conversations::all().expect("the table can be read");
    let (held, others): (Vec<_>, Vec<_>) =
        all.iter().partition(|conversation| conversation.holds_for(release) && !conversation.moves_clock());
    let hold = |conversation, piece_len| hold(conversation, release, &version, door, piece_len);
    let wrong: Vec<String> = held.iter().filter_map(|conversation| hold(conversation, WHOLE).err()).collect();
    let in_pieces: Vec<_> = held.iter().step_by(PIECES_EVERY).collect();
    let cut: Vec<String> = in_pieces.iter().filter_map(|conversation| hold(conversation, PIECES).err()).collect();
    let clock = others.iter().filter(|conversation| conversation.holds_for(release)).count();
    println!(
        "memcached {version} over {}, with the answers of {}: {} conversations held, {} agree; in pieces {} held, {} agree; \
         not held: {} of other servers, {clock} that move the clock",
        door.name(),
        release.text(),
        held.len(),
        held.len() - wrong.len(),
        in_pieces.len(),
        in_pieces.len() - cut.len(),
        others.len() - clock,
    );
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), held.len(), wrong.join("\n"));
    assert!(cut.is_empty(), "in pieces {} of {} differ:\n{}", cut.len(), in_pieces.len(), cut.join("\n"));
}

fn hold(
    conversation: &Conversation,
    release: Release,
    version: &str,
    door: Door,
    piece_len: PieceLen,
) -> Result<(), String> {
    let said = |wrong: String| format!("{} ({}): {wrong}", conversation.name, conversation.place);
    let memcached = Memcached::start(&conversation.startup, door)?;
    let mut stream = memcached.connect().map_err(said)?;
    let now = UNIX_EPOCH.elapsed().expect("a clock after 1970").as_secs();
    let mut scene = Scene::new(now, version);
    let mut is_open = true;
    for step in &conversation.steps {
        match step {
            Step::Talk(talk) => {
                let request = talk.request(release).fill(&scene)?;
                let pieces = pieces(&request, door, piece_len(request.len()));
                exchange(&pieces, &talk.reply(release), &mut scene, &mut stream).map_err(said)?;
            }
            Step::Wait(_) => {}
            Step::Closed => {
                is_open = false;
                if !stream.is_closed() {
                    return Err(said("the connection is not closed".to_owned()));
                }
            }
        }
    }
    // What was said too much would come in front of this answer.
    match is_open {
        true => exchange(&[b"mn\r\n"], &Template::parse("MN\\r\\n")?, &mut scene, &mut stream).map_err(said),
        false => Ok(()),
    }
}

/// What is sent at once. Over TLS the last byte goes alone, in a TLS record of its own. Of a large value memcached 1.6.18 reads
/// as many bytes as are missing and then waits for the socket, while what the same record holds behind the value has left the
/// socket already: it is answered when something more lies in the socket.
fn pieces(request: &[u8], door: Door, len: usize) -> Vec<&[u8]> {
    let alone = usize::from(door == Door::Tls && request.len() > 1);
    let (most, last) = request.split_at(request.len() - alone);
    most.chunks(len.max(1)).chain([last]).filter(|piece| !piece.is_empty()).collect()
}

/// Says this, and compares what comes with what is expected.
pub(crate) fn exchange(
    pieces: &[&[u8]],
    reply: &Template,
    scene: &mut Scene,
    stream: &mut Stream,
) -> Result<(), String> {
    // Long replies are not looked at before they can be whole.
    let is_enough = |answered: &[u8]| {
        answered.len() >= reply.len_min() && reply.compare(answered, &mut scene.clone()) != Match::More
    };
    let answered = stream.exchange(pieces, is_enough);
    match reply.compare(&answered, scene) {
        Match::Whole(len) if len == answered.len() => Ok(()),
        _ => {
            let (request, answered) = (shown(&pieces.concat()), shown(&answered));
            Err(format!("\n  asked:    {request}\n  answered: {answered}\n  expected: {reply:?}"))
        }
    }
}

/// Bytes for people, cut where they get long.
pub(crate) fn shown(bytes: &[u8]) -> String {
    match bytes.get(..300) {
        Some(head) => format!("{}... ({} bytes)", head.escape_ascii(), bytes.len()),
        None => bytes.escape_ascii().to_string(),
    }
}
