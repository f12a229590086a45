//! A command with a barrier behind it: exactly one reply, and then exactly the barrier's.

use memlink_core::{Ask, Broken, Command as _, Frame, Limits, Protocol as _, Reply, Verdict};
use memlink_meta::{Expect, FaultClass, FaultKind, Meta, State};

use crate::{Answer, Any};

/// What is sent behind a command.
pub const BARRIER: &[u8] = b"mn\r\n";

/// What is answered to it.
const ANSWER: &[u8] = b"MN\r\n";

/// What has come for a command and its barrier.
#[derive(Debug)]
pub enum Came {
    /// Not all of it.
    Part,
    /// One reply, and the barrier's right behind it.
    Whole(Answer),
}

/// Reads what a server answered to `command` and a barrier.
///
/// # Errors
///
/// What is wrong: a reply is missing, or one too many, or is not this command's, or says that the command was not understood.
pub fn read(command: &Any, expect: &Expect, serial: u64, bytes: &[u8]) -> Result<Came, String> {
    let (mut state, mut rest, mut frames) = (State::default(), bytes, Vec::new());
    let end = loop {
        if rest.is_empty() {
            return Ok(Came::Part);
        }
        let verdict = Meta::new().frame(&mut state, Some(Ask { expect, serial }), rest, &Limits::default());
        match verdict {
            Verdict::More { .. } => return Ok(Came::Part),
            Verdict::Part { len, tail } => frames.push(take(&mut rest, len, tail)),
            Verdict::Reply { len, tail } => break Some(take(&mut rest, len, tail)),
            Verdict::Silence => break None,
            // An error while a quiet command is at the head breaks a connection that many share. Here it can only be its own.
            Verdict::Broken(Broken::ServerError(_)) if command.is_quiet() => {
                let len = rest.windows(2).position(|pair| pair == b"\r\n").unwrap_or_default() + 2;
                break Some(take(&mut rest, len, 2));
            }
            verdict => return Err(format!("{verdict:?} for {}", rest.escape_ascii())),
        }
    };
    if rest != ANSWER {
        let is_part = ANSWER.starts_with(rest);
        return if is_part { Ok(Came::Part) } else { Err(format!("behind the reply comes {}", rest.escape_ascii())) };
    }
    let reply = match end {
        None => Reply::Silence,
        Some(end) if frames.is_empty() => Reply::One(end),
        Some(end) => {
            frames.push(end);
            Reply::Many(frames)
        }
    };
    let answer = command.decode(reply).map_err(|wrong| wrong.what.to_owned())?;
    understood(command, &answer)?;
    Ok(Came::Whole(answer))
}

/// The first `len` bytes, but for the last `tail` of them.
fn take(rest: &mut &[u8], len: usize, tail: usize) -> Frame {
    let frame = Frame::copy_from(rest.get(..len - tail).unwrap_or_default());
    *rest = rest.get(len..).unwrap_or_default();
    frame
}

/// What memlink sends the server understands. It may have no room, and a value may be no number.
fn understood(command: &Any, answer: &Answer) -> Result<(), String> {
    match answer.fault() {
        Some(fault) if fault.class() != FaultClass::Server && fault.kind() != FaultKind::NonNumeric => match command {
            // Not every server has every kind.
            Any::Stats(_) => Ok(()),
            _ => Err(format!("it was not understood: {fault}")),
        },
        _ => Ok(()),
    }
}
