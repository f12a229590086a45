//! The third way: the engine by hand, with memlink-meta's commands, the table's bytes for the server's, and every accident
//! that can befall a stream.

use memlink_conversations::{Holds, Release};
use memlink_core::{Broken, Cause, Failure, Outcome};

use crate::outcomes::Output;
use crate::script::{Script, without_opaque};
use crate::wire::Wire;

/// Streams up to this length are split and cut at every byte.
const EVERYWHERE_LEN_MAX: usize = 4 * 1024;

/// Longer ones at so many bytes from either end, and around what may be the end of a buffer.
const ENDS_LEN: usize = 256;
const BUFFER_LENS: [usize; 3] = [4 * 1024, 16 * 1024, 64 * 1024];

#[derive(Debug, Default)]
struct Figures {
    conversations: usize,
    commands: usize,
    splits: usize,
    cuts: usize,
    request_cuts: usize,
}

#[test]
fn the_engine_reads_as_the_table_says_however_the_bytes_come() {
    let all = memlink_conversations::all().expect("the table can be read");
    let (mut figures, mut wrong, mut silent) = (Figures::default(), Vec::new(), 0);
    for conversation in &all {
        let releases: Vec<Release> = match &conversation.holds {
            Holds::For(releases) => releases.clone(),
            Holds::Elsewhere(_) => vec![Release::V1_6_45],
        };
        let mut is_typed = false;
        for (i, release) in releases.into_iter().enumerate() {
            let scripts = Script::of(conversation, release).unwrap_or_else(|error| {
                wrong.push(error);
                Vec::new()
            });
            for script in &scripts {
                is_typed = true;
                if let Err(error) = check(script, i == 0, &mut figures) {
                    let (name, place) = (&conversation.name, &conversation.place);
                    wrong.push(format!("{name} ({place}) as {}: {error}", script.version));
                }
            }
        }
        figures.conversations += usize::from(is_typed);
        silent += usize::from(!is_typed);
    }
    println!(
        "engine by hand: {} conversations held, {silent} have no command of memlink-meta; {} commands, {} splits, {} cuts of \
         replies, {} cuts of requests; wrong replies {}, panics 0",
        figures.conversations,
        figures.commands,
        figures.splits,
        figures.cuts,
        figures.request_cuts,
        wrong.len(),
    );
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// A script in which every reply has its opaque.
struct Play<'a> {
    script: &'a Script,
    /// Where each command ends in the stream of requests.
    request_ends: Vec<usize>,
    replies: Vec<u8>,
    /// Where the reply of each command lies; `None` for those that get none.
    spans: Vec<Option<(usize, usize)>>,
    /// What each command gave when nothing befell it; `None` for those that are lost.
    outputs: Vec<Option<Output>>,
}

type Ended = Option<Result<Output, Failure>>;

/// A long stream meets its accidents as one release only (`is_first`): what is long is the value, and that is the same.
fn check(script: &Script, is_first: bool, figures: &mut Figures) -> Result<(), String> {
    let mut play = rehearse(script)?;
    figures.commands += script.lines.len();
    let ended = run(&play, &[&play.replies], None)?;
    for (line, ended) in script.lines.iter().zip(ended) {
        let words = match &ended {
            Some(Ok(output)) => output.words(),
            Some(Err(Failure { outcome: Outcome::Unknown, cause: Cause::Closed(_) })) if line.is_lost => {
                b"lost".to_vec()
            }
            other => format!("{other:?}").into_bytes(),
        };
        if words != line.meaning {
            let (request, words, meaning) = (show(&line.request), show(&words), show(&line.meaning));
            return Err(format!("{request} means {words}, and in the table {meaning}"));
        }
        play.outputs.push(ended.and_then(Result::ok));
    }
    one_by_one(&play)?;
    let whole = play.replies.len();
    let asked = play.request_ends.last().copied().unwrap_or_default();
    if !is_first && whole.max(asked) > EVERYWHERE_LEN_MAX {
        return Ok(());
    }
    for at in places(whole) {
        let (head, tail) = play.replies.split_at(at);
        same(&play, run(&play, &[head, tail], None)?).map_err(|wrong| format!("split at {at}: {wrong}"))?;
        figures.splits += 1;
    }
    let bytes: Vec<&[u8]> = play.replies.chunks(if whole > EVERYWHERE_LEN_MAX { 997 } else { 1 }).collect();
    same(&play, run(&play, &bytes, None)?).map_err(|wrong| format!("byte by byte: {wrong}"))?;
    figures.splits += bytes.len().saturating_sub(1);
    for at in places(whole).chain([0]) {
        cut_reply(&play, at, run(&play, &[&play.replies[..at]], None)?)
            .map_err(|wrong| format!("cut at {at}: {wrong}"))?;
        figures.cuts += 1;
    }
    for at in places(asked).chain([0, asked]) {
        cut_request(&play, at, run(&play, &[], Some(at))?).map_err(|wrong| format!("written up to {at}: {wrong}"))?;
        figures.request_cuts += 1;
    }
    Ok(())
}

/// Where a stream of this length is split and cut.
fn places(len: usize) -> impl Iterator<Item = usize> {
    (1..len).filter(move |at| {
        let is_near_end = *at <= ENDS_LEN || len - at <= ENDS_LEN;
        let is_near_buffer = || BUFFER_LENS.iter().any(|buffer| (at + 2) % buffer <= 4);
        len <= EVERYWHERE_LEN_MAX || is_near_end || is_near_buffer()
    })
}

/// Lets the engine write every command alone, compares it with the table, and gives each reply the opaque of its command.
fn rehearse(script: &Script) -> Result<Play<'_>, String> {
    let mut wire = Wire::open(&script.version);
    let mut play = Play { script, request_ends: vec![], replies: vec![], spans: vec![], outputs: vec![] };
    let mut end = 0;
    for line in &script.lines {
        line.command.submit(&mut wire).map_err(|refused| format!("{refused:?}"))?;
        let written = wire.write(usize::MAX);
        let (ours, theirs) = (without_opaque(&written), without_opaque(&line.request));
        if ours != theirs {
            return Err(format!("{} is written, and in the table {}", show(&written), show(&line.request)));
        }
        end += written.len();
        play.request_ends.push(end);
        let begin = play.replies.len();
        play.spans.push(line.reply.as_ref().map(|reply| {
            play.replies.extend_from_slice(&with_opaque(reply, opaque(&written), &script.version));
            (begin, play.replies.len())
        }));
    }
    Ok(play)
}

/// The token behind `O` in what a meta command has written.
fn opaque(written: &[u8]) -> Option<&[u8]> {
    if !matches!(written, [b'm', b'g' | b's' | b'd' | b'a', ..]) {
        return None;
    }
    let at = written.windows(2).position(|pair| pair == b" O")?;
    written.get(at + 2..at + 6)
}

/// The reply as a server gives it to a command with this opaque: behind the status, and behind the length of a value. Error
/// lines have none, nor have misses of servers before 1.6.18.
fn with_opaque(reply: &[u8], opaque: Option<&[u8]>, version: &str) -> Vec<u8> {
    let is_bare_miss =
        version.strip_prefix("1.6.").and_then(|patch| patch.parse().ok()).is_some_and(|patch: u32| patch < 18);
    let words = match reply {
        [b'V', b'A', b' ', ..] => 2,
        [b'E', b'N', ..] if is_bare_miss => return reply.to_vec(),
        [b'H', b'D', ..] | [b'E', b'N' | b'X', ..] | [b'N', b'S' | b'F', ..] if reply.get(2..4) != Some(b"D\r") => 1,
        _ => return reply.to_vec(),
    };
    let Some(opaque) = opaque else { return reply.to_vec() };
    let reply = without_opaque(reply);
    let ends = reply.iter().enumerate().filter(|(_, byte)| matches!(byte, b' ' | b'\r')).map(|(at, _)| at);
    let at = ends.take(words).last().unwrap_or(reply.len());
    [&reply[..at], b" O", opaque, &reply[at..]].concat()
}

/// Writes all commands (or only so many bytes of them), delivers the pieces, ends the stream, and says how each has ended.
fn run(play: &Play<'_>, pieces: &[&[u8]], written_max: Option<usize>) -> Result<Vec<Ended>, String> {
    let mut wire = Wire::open(&play.script.version);
    let mut tokens = Vec::new();
    for line in &play.script.lines {
        tokens.push(line.command.submit(&mut wire).map_err(|refused| format!("{refused:?}"))?);
    }
    wire.write(written_max.unwrap_or(usize::MAX));
    let broken = pieces.iter().find_map(|piece| wire.feed(piece).err());
    wire.end(&broken.unwrap_or(Broken::EndOfStream));
    tokens.into_iter().zip(&play.script.lines).map(|(token, line)| ended(&mut wire, token, line)).collect()
}

fn ended(wire: &mut Wire, token: memlink_core::Token, line: &crate::script::Line) -> Result<Ended, String> {
    Ok(match wire.look(token) {
        None => None,
        Some(Err(failure)) => Some(Err(failure)),
        Some(Ok(reply)) => Some(Ok(line.command.decode(reply).map_err(|malformed| malformed.what.to_owned())?)),
    })
}

/// Each command is sent when the one before it was answered, and its reply comes byte by byte.
fn one_by_one(play: &Play<'_>) -> Result<(), String> {
    let mut wire = Wire::open(&play.script.version);
    let mut tokens = Vec::new();
    let mut broken = None;
    for (line, span) in play.script.lines.iter().zip(&play.spans) {
        tokens.push(line.command.submit(&mut wire).map_err(|refused| format!("{refused:?}"))?);
        wire.write(usize::MAX);
        let Some((begin, end)) = *span else { continue };
        let len = if end - begin > EVERYWHERE_LEN_MAX { 4_093 } else { 1 };
        broken = broken.or(play.replies[begin..end].chunks(len).find_map(|piece| wire.feed(piece).err()));
        if broken.is_some() {
            break;
        }
    }
    wire.end(&broken.unwrap_or(Broken::EndOfStream));
    let lines = tokens.into_iter().zip(&play.script.lines);
    let ended: Result<Vec<Ended>, String> = lines.map(|(token, line)| ended(&mut wire, token, line)).collect();
    same(play, ended?).map_err(|wrong| format!("one by one: {wrong}"))
}

/// However the bytes come, the same outcomes.
fn same(play: &Play<'_>, ended: Vec<Ended>) -> Result<(), String> {
    for ((line, wanted), ended) in play.script.lines.iter().zip(&play.outputs).zip(ended) {
        let is_same = match (wanted, &ended) {
            (Some(wanted), Some(Ok(output))) => wanted == output,
            (None, Some(Err(failure))) => failure.outcome == Outcome::Unknown,
            _ => false,
        };
        if !is_same {
            return Err(format!("{}: {ended:?}", show(&line.request)));
        }
    }
    Ok(())
}

/// A command whose reply has come whole has its outcome; any other was written and is in doubt. A quiet command that was
/// answered by nothing is sure of that as soon as the head of a later reply has come.
fn cut_reply(play: &Play<'_>, at: usize, ended: Vec<Ended>) -> Result<(), String> {
    for (i, (wanted, ended)) in play.outputs.iter().zip(ended).enumerate() {
        let (earliest, latest) = match play.spans[i] {
            Some((_, end)) => (end, end),
            None => play.spans[i..]
                .iter()
                .flatten()
                .next()
                .map_or((usize::MAX, usize::MAX), |(begin, end)| (begin + 1, *end)),
        };
        let is_right = match (&ended, wanted) {
            (Some(Ok(output)), Some(wanted)) => at >= earliest && output == wanted,
            (Some(Err(failure)), wanted) => failure.outcome == Outcome::Unknown && (at < latest || wanted.is_none()),
            _ => false,
        };
        if !is_right {
            return Err(format!("{}: {ended:?}", show(&play.script.lines[i].request)));
        }
    }
    Ok(())
}

/// Nothing was answered: a command of which a byte is missing was not sent, any other is in doubt.
fn cut_request(play: &Play<'_>, at: usize, ended: Vec<Ended>) -> Result<(), String> {
    for ((line, end), ended) in play.script.lines.iter().zip(&play.request_ends).zip(ended) {
        let wanted = if at < *end { Outcome::NotSent } else { Outcome::Unknown };
        if !matches!(&ended, Some(Err(failure)) if failure.outcome == wanted) {
            return Err(format!("{}: {ended:?}", show(&line.request)));
        }
    }
    Ok(())
}

fn show(bytes: &[u8]) -> String {
    crate::real::shown(bytes)
}
