use std::time::Duration;

use memlink_core::Limits;
use memlink_testserver::Version;

use crate::dice::Dice;
use crate::fault::Fault;
use crate::keys::{Keys, SERVERS};
use crate::policy::Patience;

/// A history before it happens: who asks what when, and what goes wrong. One seed decides all of it, and everything that happens
/// after.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// Steps in the order of their times. What is left after some were taken out is a plan, too: that is how failing ones shrink.
    pub steps: Vec<Step>,
    pub(crate) rules: Rules,
}

/// One thing that happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Nanoseconds since the start.
    pub at: u64,
    /// What.
    pub what: What,
}

/// What happens in a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A caller comes.
    Ask(Ask),
    /// Something goes wrong on the link with this number, or with its server.
    Fault(usize, Fault),
    /// The link with this number is closed, with this grace, and another takes its place.
    Close(usize, u64),
    /// The connections to this server are to be replaced without anyone noticing.
    Renew(usize),
}

/// A caller and what it wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Its number, which its command carries to the server.
    pub number: u64,
    /// What it asks for.
    pub verb: Verb,
    /// Of which key, by its place in the list of keys.
    pub key: usize,
    /// How long it may take.
    pub timeout: Option<u64>,
    /// Whether it waits for room.
    pub waits: bool,
    /// When it leaves, counted from its beginning.
    pub leaves: Option<u64>,
    /// How long it takes to look when it is woken.
    pub sleeps: u64,
}

/// What a caller asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// The value.
    Get,
    /// The values of all keys of the same server that can be stored to, by one line with a fence behind it.
    GetMany,
    /// Stores a value with so many bytes of filling.
    Set(usize),
    /// Stores a value that is too large for the server.
    SetTooLarge,
    /// Stores if there is none.
    Add(usize),
    /// Appends so many bytes.
    Append(usize),
    /// Stores if the item is still the one that somebody saw last.
    Swap(usize),
    /// Deletes.
    Delete,
    /// Counts up.
    Increment(u64),
}

/// Sizes and times of one history.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub(crate) limits: Limits,
    /// Off in some histories, where no reply is altered: then nothing hides a slip.
    pub(crate) opaque: bool,
    pub(crate) version: Version,
    pub(crate) inline: bool,
    /// Bytes that are on their way in one direction before a write has to wait.
    pub(crate) window: usize,
    /// Nanoseconds that bytes take from one end to the other.
    pub(crate) latency: (u64, u64),
    pub(crate) backoff: (Duration, Duration),
    pub(crate) dial_timeout: Duration,
    /// So many commands without a reply, and no byte for so long, and a server is given no more of them.
    pub(crate) suspension: (u64, Duration),
    /// What a server may answer before it is left alone.
    pub(crate) patience: Patience,
    /// Servers that lose everything at times.
    restarts: [bool; SERVERS],
}

/// Links of a history: two to the first server, one to each of the others.
pub(crate) const LINKS: [usize; 4] = [0, 0, 1, 2];

/// Operations of a history.
pub const OPERATIONS: usize = 200;

/// Least number of faults that a history has to have suffered to be counted.
pub const FAULTS_MIN: u64 = 10;

pub(crate) const US: u64 = 1_000;
pub(crate) const MS: u64 = 1_000_000;

impl Rules {
    fn new(dice: &mut Dice) -> Rules {
        let limits = Limits {
            in_flight_max: dice.between(3, 24) as usize,
            queued_bytes_max: dice.between(400, 120_000) as usize,
            waiting_max: dice.between(6, 64) as usize,
            abandoned_max: dice.between(4, 24) as usize,
            abandoned_age_max: Duration::from_millis(dice.between(60, 200)),
            stall_timeout: Duration::from_millis(dice.between(20, 60)),
            opening_timeout: Duration::from_millis(dice.between(15, 30)),
            unclaimed_bytes_max: dice.between(150_000, 400_000) as usize,
            value_len_max: 150_000,
            turn_replies_max: dice.between(1, 12) as usize,
            turn_bytes_max: dice.between(60, 70_000) as usize,
            ..Limits::default()
        };
        let suspension = (dice.between(1, 5), Duration::from_millis(dice.between(4, 20)));
        Rules {
            limits,
            opaque: !dice.one_in(4),
            version: if dice.one_in(3) { Version::V1_6_18 } else { Version::V1_6_45 },
            inline: !dice.one_in(4),
            window: if dice.one_in(3) { dice.between(300, 3_000) } else { dice.between(3_000, 200_000) } as usize,
            latency: (5 * US, dice.between(20, 400) * US),
            backoff: (Duration::from_millis(2), Duration::from_millis(if dice.one_in(8) { 600 } else { 25 })),
            dial_timeout: Duration::from_millis(15),
            suspension,
            patience: Patience { faults: dice.between(2, 6) as u8, lasting: suspension.1 },
            restarts: std::array::from_fn(|_| dice.one_in(2)),
        }
    }
}

impl Plan {
    /// The plan of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Plan {
        let dice = &mut Dice::new(seed, 0);
        let rules = Rules::new(dice);
        // Some histories are dense, some have pauses in which connections are idle.
        let pace = dice.between(200, 2_500) * US;
        // In some there are moments in which nobody asks for seconds: what a server closes then was idle.
        let lulls: Vec<u64> = match dice.one_in(4) {
            true => (0..dice.between(1, 3)).map(|_| dice.below(OPERATIONS as u64)).collect(),
            false => Vec::new(),
        };
        let mut steps = Vec::with_capacity(OPERATIONS + 40);
        let mut at = 0;
        for number in 0..OPERATIONS as u64 {
            at += if dice.one_in(3) { 0 } else { dice.below(2 * pace) };
            if lulls.contains(&number) {
                let lasts = dice.between(1_100, 12_000) * MS;
                for _ in 0..dice.between(1, 3) {
                    let (at, link) = (at + dice.below(lasts), dice.index(LINKS.len()));
                    let fault = if dice.one_in(2) { Fault::Finish } else { fault(dice, &rules, link) };
                    steps.push(Step { at, what: What::Fault(link, fault) });
                }
                at += lasts;
            }
            steps.push(Step { at, what: What::Ask(Ask::new(dice, &rules, number)) });
        }
        let end = at;
        let asks: Vec<u64> =
            steps.iter().filter(|step| matches!(step.what, What::Ask(_))).map(|step| step.at).collect();
        for _ in 0..dice.between(24, 36) {
            // While callers come, and not in the last moments.
            let at = asks[dice.index(OPERATIONS - OPERATIONS / 16)] + dice.below(pace);
            let link = dice.index(LINKS.len());
            steps.push(Step { at, what: What::Fault(link, fault(dice, &rules, link)) });
        }
        for _ in 0..dice.below(3) {
            let (at, link) = (dice.below(end), dice.index(LINKS.len()));
            let what = match dice.one_in(2) {
                true => What::Close(link, dice.below(30) * MS),
                false => What::Renew(LINKS[link]),
            };
            steps.push(Step { at, what });
        }
        steps.sort_by_key(|step| step.at);
        Plan { seed, steps, rules }
    }

    /// The same seed with some of its steps only.
    pub(crate) fn with_steps(&self, steps: Vec<Step>) -> Plan {
        Plan { steps, ..self.clone() }
    }
}

impl Ask {
    fn new(dice: &mut Dice, rules: &Rules, number: u64) -> Ask {
        let keys = Keys::shared();
        let key = dice.index(keys.len());
        let (owned, len) = (keys.get(key), filling_len(dice));
        let verb = match dice.below(32) {
            _ if owned.is_counter && !dice.one_in(6) => Verb::Increment(dice.between(1, 10)),
            _ if owned.is_counter => Verb::Get,
            0..10 => Verb::Get,
            10..13 => Verb::GetMany,
            13..20 => Verb::Set(len),
            20 => Verb::SetTooLarge,
            21 | 22 => Verb::Add(len),
            23..26 => Verb::Append(len.min(2_000)),
            // A server that has lost everything gives old CAS ids to new items.
            26 | 27 if !rules.restarts[owned.server] => Verb::Swap(len),
            26..30 => Verb::Delete,
            _ => Verb::Increment(1),
        };
        let timeout = match dice.below(5) {
            0 => None,
            1 => Some(dice.between(50, 2_000) * US),
            2 => Some(dice.between(2, 20) * MS),
            _ => Some(dice.between(20, 120) * MS),
        };
        let leaves = dice.one_in(6).then(|| match dice.below(3) {
            0 => 0,
            1 => dice.below(1_000) * US,
            _ => dice.below(40) * MS,
        });
        // Whoever sleeps for longer than a promise is kept is overtaken.
        let sleeps = if dice.one_in(24) { dice.below(400) * MS } else { 0 };
        Ask { number, verb, key, timeout, waits: !dice.one_in(8), leaves, sleeps }
    }
}

/// Mostly small; some are long enough to be written from where they lie, and to be read into a buffer of their own.
fn filling_len(dice: &mut Dice) -> usize {
    let len = match dice.below(16) {
        0..11 => dice.below(60),
        11..14 => dice.between(60, 3_000),
        14 => dice.between(3_000, 16_000),
        _ => dice.between(16_000, 50_000),
    };
    len as usize
}

fn fault(dice: &mut Dice, rules: &Rules, link: usize) -> Fault {
    let stall = rules.limits.stall_timeout.as_nanos() as u64;
    let long = |dice: &mut Dice| if dice.one_in(2) { 2 * stall + dice.below(2 * stall) } else { dice.below(stall / 2) };
    match dice.below(41) {
        0 | 1 => Fault::Reset,
        2 | 3 => Fault::Finish,
        4..7 => Fault::CutCommands(cut_len(dice)),
        7..10 => Fault::CutReplies(cut_len(dice)),
        // Without opaques nothing could tell these.
        10..24 if !rules.opaque => Fault::CutReplies(cut_len(dice)),
        10 | 11 => Fault::Duplicate,
        12 | 13 => Fault::Missing,
        14 | 15 => Fault::Swapped,
        16 | 17 => Fault::Forged,
        18 | 19 => Fault::ForgedError,
        20 | 21 => Fault::Stray,
        22 => Fault::WrongLength,
        23 => Fault::BadLineEnd,
        24 | 25 => Fault::Delay(long(dice)),
        26 => Fault::Trickle(dice.below(20 * MS)),
        27 => Fault::Freeze(long(dice)),
        28 | 29 => Fault::FreezeOne(long(dice)),
        30 => Fault::SmallBuffers(dice.below(30 * MS)),
        31 | 32 if rules.restarts[LINKS[link]] => Fault::Restart(dice.below(40 * MS)),
        31 | 32 => Fault::Finish,
        33 => Fault::RefuseDial,
        34 => Fault::IgnoreDial,
        35 => Fault::AcceptSilent,
        36 => Fault::Banner,
        37 | 38 => Fault::Suspend(dice.below(3 * stall)),
        39 => Fault::NoBackend(dice.between(5, 80) * MS),
        _ => Fault::DriverGone,
    }
}

/// Within the first commands, mostly: there every byte is a different place.
fn cut_len(dice: &mut Dice) -> usize {
    let len = if dice.one_in(4) { dice.below(20_000) } else { dice.below(200) };
    len as usize
}
