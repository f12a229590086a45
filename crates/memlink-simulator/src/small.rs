//! Every order of a few steps: up to four commands, their writing and their replies, each in pieces, one caller that leaves or whose
//! time is over, and the end of the stream after every step.
//!
//! Random histories find what is likely. What takes three coincidences at once is found by trying all of them in a world that is
//! small enough.

mod engine;
mod line;

use engine::{Action, Engine};

use crate::Mutant;

/// How large a world is, and what can happen in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// Commands.
    pub commands: usize,
    /// Which of them is left by its caller, if any, and how.
    pub leaver: Option<(usize, Leaves)>,
    /// Commands on the wire at most: with fewer than there are commands some have to wait for room.
    pub room: usize,
    /// A caller that finds everything idle writes by itself.
    pub inline: bool,
    /// Pieces, other than all there is, in which commands are written and replies come.
    pub pieces: usize,
}

/// How a caller leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaves {
    /// It is cancelled.
    Cancelled,
    /// Its deadline passes.
    Late,
}

/// What was tried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tried {
    /// Orders of steps, each from the beginning to its end.
    pub orders: u64,
    /// Steps in all of them.
    pub steps: u64,
    /// Orders in which every command that nobody left got its reply.
    pub finished: u64,
    /// Orders that the end of the stream cut off.
    pub cut: u64,
}

impl Scope {
    /// All worlds of this many commands.
    pub fn all(commands: usize, pieces: usize) -> impl Iterator<Item = Scope> {
        let ways = [Leaves::Cancelled, Leaves::Late];
        let leavers = (0..commands).flat_map(move |n| ways.map(|way| Some((n, way))));
        std::iter::once(None).chain(leavers).flat_map(move |leaver| {
            [(1, false), (commands, false), (commands, true)].map(|(room, inline)| Scope {
                commands,
                leaver,
                room,
                inline,
                pieces,
            })
        })
    }
}

impl Tried {
    /// Adds another's numbers.
    pub fn add(&mut self, other: &Tried) {
        self.orders += other.orders;
        self.steps += other.steps;
        self.finished += other.finished;
        self.cut += other.cut;
    }
}

/// Tries every order.
///
/// # Errors
///
/// What went wrong first, and the order in which it did.
pub fn explore(scope: Scope) -> Result<Tried, String> {
    explore_mutant(scope, None)
}

/// As [`explore`], with a bug of the engine. Bugs that are elsewhere have no part in so small a world.
///
/// # Errors
///
/// What went wrong first: the bug was found.
pub fn explore_mutant(scope: Scope, mutant: Option<Mutant>) -> Result<Tried, String> {
    let mut tried = Tried::default();
    // Of every choice on the way which was taken, and how many there were.
    let mut taken: Vec<(usize, usize)> = Vec::new();
    let mut choices: Vec<Action> = Vec::new();
    loop {
        let mut engine = Engine::new(scope, mutant.and_then(Mutant::of_engine));
        let mut depth = 0;
        loop {
            choices.clear();
            engine.choices(&mut choices);
            if choices.is_empty() {
                tried.finished += 1;
                engine.come_to_rest();
                break;
            }
            if depth == taken.len() {
                taken.push((0, choices.len()));
            }
            let action = choices[taken[depth].0];
            depth += 1;
            tried.steps += 1;
            engine.act(action);
            if action == Action::EndOfStream {
                tried.cut += 1;
                break;
            }
        }
        tried.orders += 1;
        engine.judge().map_err(|wrong| format!("{scope:?}: {wrong}\n{:?}", engine.history()))?;
        // The next order differs in the last choice that has another.
        while taken.last().is_some_and(|(at, of)| at + 1 == *of) {
            taken.pop();
        }
        match taken.last_mut() {
            Some((at, _)) => *at += 1,
            None => return Ok(tried),
        }
    }
}
