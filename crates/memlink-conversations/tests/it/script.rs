//! What of a conversation memlink-meta can say itself: its commands, the replies to them, and what they mean.

use memlink_conversations::{Asked, Conversation, Holds, Release, Scene, Step, Talk, asked, units};
use memlink_meta::{Peer, Version};

use crate::commands::{Goes, Typed};

/// In the year 2027.
const NOW: u64 = 1_800_000_000;

/// Commands of one connection.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// As the server says it.
    pub(crate) version: String,
    pub(crate) lines: Vec<Line>,
}

/// One command.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) command: Typed,
    /// The table's bytes, which may hold an opaque of the table's.
    pub(crate) request: Vec<u8>,
    /// The table's bytes; `None` when the server says nothing.
    pub(crate) reply: Option<Vec<u8>>,
    /// The outcome in words.
    pub(crate) meaning: Vec<u8>,
    /// The connection breaks before its reply can be believed.
    pub(crate) is_lost: bool,
}

impl Script {
    /// The scripts of a conversation with a server of this release: more than one where the engine has to give up a
    /// connection on the way. Empty where memlink-meta says nothing of it.
    pub(crate) fn of(conversation: &Conversation, release: Release) -> Result<Vec<Script>, String> {
        let version = match &conversation.holds {
            Holds::For(_) => release.text(),
            Holds::Elsewhere(version) => version,
        };
        let mut scene = Scene::new(NOW, version);
        let (mut scripts, mut script) = (Vec::new(), Script::new(version));
        for step in &conversation.steps {
            let Step::Talk(talk) = step else { continue };
            let lines = read(talk, release, &mut scene)
                .map_err(|wrong| format!("{} ({}) as {version}: {wrong}", conversation.name, conversation.place))?;
            let breaks = lines.iter().any(Line::breaks);
            script.lines.extend(lines);
            if breaks {
                scripts.push(std::mem::replace(&mut script, Script::new(version)));
            }
        }
        scripts.push(script);
        scripts.retain(|script| !script.lines.is_empty());
        Ok(scripts)
    }

    fn new(version: &str) -> Script {
        Script { version: version.to_owned(), lines: Vec::new() }
    }
}

impl Line {
    /// Whether the engine gives up the connection on account of it.
    fn breaks(&self) -> bool {
        let is_fault = self.meaning.starts_with(b"fault") && !self.meaning.starts_with(b"fault Server");
        self.is_lost || (is_fault && self.command.has_payload())
    }
}

fn peer(version: &str) -> Peer {
    Peer::new(Version::parse(version).unwrap_or(Version::OLDEST))
}

/// The commands of one step that memlink-meta sends.
fn read(talk: &Talk, release: Release, scene: &mut Scene) -> Result<Vec<Line>, String> {
    let request = talk.request(release).play(scene);
    let reply = talk.reply(release).play(scene);
    let meanings: Vec<Vec<u8>> = talk.meaning(release).iter().map(|meaning| meaning.play(scene)).collect();
    let asked = asked(&request);
    if meanings.is_empty() {
        return match asked.is_some_and(|asked| asked.iter().all(|asked| is_written(asked, scene))) {
            true => Err(format!("memlink-meta writes {}: say what it means", shown(&request))),
            false => Ok(Vec::new()),
        };
    }
    let asked = asked.ok_or("a meaning of bytes that are no commands")?;
    if asked.len() != meanings.len() {
        return Err(format!("{} meanings of {} commands", meanings.len(), asked.len()));
    }
    let mut replies = units(&reply).ok_or("a reply that is not whole")?.into_iter();
    let mut lines = Vec::new();
    for (asked, meaning) in asked.iter().zip(meanings) {
        let (meaning, is_said) = match meaning.strip_suffix(b" unsaid") {
            Some(meaning) => (meaning.to_vec(), false),
            None => (meaning, true),
        };
        let reply = if is_said { Some(replies.next().ok_or("fewer replies than meanings")?.to_vec()) } else { None };
        if meaning == b"-" {
            continue;
        }
        let mut command = Typed::read(asked).ok_or_else(|| format!("no command writes {}", shown(asked.bytes)))?;
        let goes = command.goes(scene.now, &peer(&scene.version));
        let said = match &meaning[..] {
            b"refused" => Goes::Refused,
            b"unsupported" => Goes::Unsupported,
            _ => Goes::Out,
        };
        if goes != said {
            return Err(format!("{}: {said:?} in the table, and really {goes:?}", shown(asked.bytes)));
        }
        if goes == Goes::Out {
            let is_lost = meaning == b"lost";
            lines.push(Line { command, request: asked.bytes.to_vec(), reply, meaning, is_lost });
        }
    }
    match replies.next() {
        Some(reply) => Err(format!("a reply without a meaning: {}", shown(reply))),
        None => Ok(lines),
    }
}

/// Whether memlink-meta writes exactly this, so that the table has to say what it means.
fn is_written(asked: &Asked<'_>, scene: &Scene) -> bool {
    let peer = peer(&scene.version);
    Typed::read(asked).is_some_and(|mut command| {
        command.goes(scene.now, &peer) == Goes::Out
            && without_opaque(&command.bytes(&peer)) == without_opaque(asked.bytes)
    })
}

/// The command or reply without its first ` O...`, which stands in the line.
pub(crate) fn without_opaque(bytes: &[u8]) -> Vec<u8> {
    let line_len = bytes.iter().position(|byte| *byte == b'\r').unwrap_or(bytes.len());
    let Some(at) = bytes[..line_len].windows(2).position(|pair| pair == b" O") else { return bytes.to_vec() };
    let len = bytes[at + 1..line_len].iter().position(|byte| *byte == b' ').map_or(line_len - at, |len| len + 1);
    [&bytes[..at], &bytes[at + len..]].concat()
}

fn shown(bytes: &[u8]) -> String {
    crate::real::shown(bytes)
}
