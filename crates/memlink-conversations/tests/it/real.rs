//! The first way: a real memcached, as many of them as there are conversations.

use std::time::UNIX_EPOCH;

use memlink_conversations::{Conversation, Match, Release, Scene, Step, Talk, Template};

use crate::memcached::{self, Memcached, Stream};

#[test]
fn memcached_answers_as_the_table_says() {
    let version = memcached::version().unwrap_or_else(|error| panic!("{error}"));
    let Some(release) = Release::of_version(&version) else {
        panic!("memcached {version} is neither 1.6.18 nor 1.6.45 or newer, and the table holds for no other");
    };
    let all = memlink_conversations::all().expect("the table can be read");
    let (held, others): (Vec<_>, Vec<_>) =
        all.iter().partition(|conversation| conversation.holds_for(release) && !conversation.moves_clock());
    let wrong: Vec<String> =
        held.iter().filter_map(|conversation| hold(conversation, release, &version).err()).collect();
    let clock = others.iter().filter(|conversation| conversation.holds_for(release)).count();
    println!(
        "memcached {version}, with the answers of {}: {} conversations held, {} agree; not held: {} of other servers, {clock} \
         that move the clock",
        release.text(),
        held.len(),
        held.len() - wrong.len(),
        others.len() - clock,
    );
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), held.len(), wrong.join("\n"));
}

fn hold(conversation: &Conversation, release: Release, version: &str) -> Result<(), String> {
    let memcached = Memcached::start(&conversation.startup)?;
    let mut stream = memcached.connect();
    let now = UNIX_EPOCH.elapsed().expect("a clock after 1970").as_secs();
    let mut scene = Scene::new(now, version);
    let mut is_open = true;
    let said = |wrong: String| format!("{} ({}): {wrong}", conversation.name, conversation.place);
    for step in &conversation.steps {
        match step {
            Step::Talk(talk) => say(talk, release, &mut scene, &mut stream).map_err(said)?,
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
        true => exchange(b"mn\r\n", &Template::parse("MN\\r\\n")?, &mut scene, &mut stream).map_err(said),
        false => Ok(()),
    }
}

fn say(talk: &Talk, release: Release, scene: &mut Scene, stream: &mut Stream) -> Result<(), String> {
    let request = talk.request(release).fill(scene)?;
    exchange(&request, &talk.reply(release), scene, stream)
}

fn exchange(request: &[u8], reply: &Template, scene: &mut Scene, stream: &mut Stream) -> Result<(), String> {
    let sent = stream.send(request);
    let mut answered = Vec::new();
    loop {
        // Long replies are not looked at before they can be whole.
        let compared = match answered.len() < reply.len_min() {
            true => Match::More,
            false => reply.compare(&answered, scene),
        };
        match compared {
            Match::Whole(len) if len == answered.len() => return Ok(()),
            Match::More if sent && stream.read(&mut answered) => {}
            _ => {
                let (request, answered) = (shown(request), shown(&answered));
                return Err(format!("\n  asked:    {request}\n  answered: {answered}\n  expected: {reply:?}"));
            }
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
