//! The second way: the embedded server, in both of its versions; all conversations by hand. `through.rs` holds
//! them through its doors.

use std::time::Duration;

use bytes::BytesMut;
use memlink_conversations::{Conversation, Match, Release, Scene, Startup, Step, Talk};
use memlink_testserver::{Cache, Session, Settings, Version};

use crate::real::shown;

/// In the year 2027.
const NOW: u64 = 1_800_000_000;

pub(crate) fn settings(release: Release, startup: &[Startup]) -> Settings {
    let mut settings = Settings::default();
    settings.version = match release {
        Release::V1_6_18 => Version::V1_6_18,
        Release::V1_6_45 => Version::V1_6_45,
    };
    for option in startup {
        match option {
            Startup::NoFlush => settings.flush_allowed = false,
            Startup::ItemBytesMax(len) => settings.item_bytes_max = *len,
        }
    }
    settings
}

pub(crate) fn held(all: &[Conversation], release: Release) -> Vec<&Conversation> {
    all.iter().filter(|conversation| conversation.holds_for(release) && conversation.not_embedded.is_none()).collect()
}

#[test]
fn the_embedded_server_answers_as_the_table_says() {
    let all = memlink_conversations::all().expect("the table can be read");
    for release in Release::ALL {
        let held = held(&all, release);
        let wrong: Vec<String> = held
            .iter()
            .filter_map(|conversation| {
                by_hand(conversation, release, WHOLE).and_then(|()| by_hand(conversation, release, PIECES)).err()
            })
            .collect();
        let on_purpose = all.iter().filter(|other| other.holds_for(release)).count() - held.len();
        println!(
            "embedded server as {}: {} conversations held, {} agree; not held: {on_purpose} in which it differs on purpose",
            release.text(),
            held.len(),
            held.len() - wrong.len(),
        );
        assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), held.len(), wrong.join("\n"));
    }
}

/// In how large pieces the server receives what is sent: all at once, byte by byte, or, where that would take long, in pieces
/// that end nowhere in particular.
pub(crate) type PieceLen = fn(usize) -> usize;
pub(crate) const WHOLE: PieceLen = |len| len;
pub(crate) const PIECES: PieceLen = |len| if len > 4 * 1024 { 997 } else { 1 };

fn by_hand(conversation: &Conversation, release: Release, piece_len: PieceLen) -> Result<(), String> {
    let mut scene = Scene::new(NOW, release.text());
    // Half a second behind the tick of its clock, so that no rounding is seen.
    let at = |now: u64| Duration::from_secs(now) + Duration::from_millis(500);
    let mut cache = Cache::new(settings(release, &conversation.startup), at(NOW));
    let mut session = Session::new(&mut cache);
    let mut input = BytesMut::new();
    let mut step = memlink_testserver::Step::NeedInput;
    for said in &conversation.steps {
        match said {
            Step::Wait(seconds) => scene.now += seconds,
            Step::Closed if step == memlink_testserver::Step::Close => {}
            Step::Closed => return Err(report(conversation, "the connection is not closed")),
            Step::Talk(talk) => {
                let request = talk.request(release).fill(&scene)?;
                let mut output = BytesMut::new();
                for piece in request.chunks(piece_len(request.len()).max(1)) {
                    input.extend_from_slice(piece);
                    step = memlink_testserver::Step::WriteOutput;
                    while step == memlink_testserver::Step::WriteOutput {
                        step = session.handle(&mut cache, at(scene.now), &mut input, &mut output);
                    }
                }
                agree(conversation, talk, release, &mut scene, &output)?;
            }
        }
    }
    let is_open = !matches!(conversation.steps.last(), Some(Step::Closed));
    match is_open && step == memlink_testserver::Step::Close {
        true => Err(report(conversation, "the connection was closed")),
        false => Ok(()),
    }
}

pub(crate) fn agree(
    conversation: &Conversation,
    talk: &Talk,
    release: Release,
    scene: &mut Scene,
    output: &[u8],
) -> Result<(), String> {
    let request = talk.request(release).fill(scene)?;
    let reply = talk.reply(release);
    match reply.compare(output, scene) {
        Match::Whole(len) if len == output.len() => Ok(()),
        _ => {
            let (request, answered) = (shown(&request), shown(output));
            let wrong = format!("\n  asked:    {request}\n  answered: {answered}\n  expected: {reply:?}");
            Err(report(conversation, &wrong))
        }
    }
}

pub(crate) fn report(conversation: &Conversation, wrong: &str) -> String {
    format!("{} ({}): {wrong}", conversation.name, conversation.place)
}
