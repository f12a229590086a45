//! Byte for byte: the same random conversation with a real memcached and with
//! a session of ours.
//!
//! CAS ids must be equal too; only what counts seconds may differ a little,
//! since the two clocks tick at different moments. Every seed has a memcached of
//! its own, so that a failure can be replayed alone:
//! `MEMLINK_SEED=<seed> cargo test -p memlink-testserver against`.
//! `MEMLINK_SEEDS` sets how many are run, `MEMCACHED` which binary.

use crate::reference::{self, Reference};
use crate::script::Script;
use bytes::BytesMut;
use memlink_testserver::{Cache, Session, Settings, Step, Version};
use std::time::{Duration, UNIX_EPOCH};

const SEEDS: u64 = 40;
const COMMANDS_PER_SEED: usize = 500;
const COMMANDS_PER_CONNECTION: usize = 40;

/// What every connection begins with. memcached's record of a connection is
/// used again by a later one, and can hold a CAS id that an earlier `ms` with a
/// badly framed value left there; this draws a new one.
const PREAMBLE: &[u8] = b"ms preamble 0\r\n\r\n";

/// How far apart two counts of seconds may be.
const SECONDS_APART_MAX: u32 = 3;

#[test]
fn random_scripts_are_answered_alike() {
    let version = reference::version();
    if let Some(seed) = number_from_env("MEMLINK_SEED") {
        return compare(seed, version);
    }
    for seed in 0..number_from_env("MEMLINK_SEEDS").unwrap_or(SEEDS) {
        compare(seed, version);
    }
}

fn number_from_env(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

fn now() -> Duration {
    UNIX_EPOCH.elapsed().expect("a clock after 1970")
}

fn compare(seed: u64, version: Version) {
    let mut settings = Settings::default();
    settings.version = version;
    let mut cache = Cache::new(settings, now());
    let reference = Reference::start();
    let mut bystander = reference.connect();
    let mut script = Script::new(seed, version);
    let mut commands = 0;
    let mut history = Vec::new();
    while commands < COMMANDS_PER_SEED {
        history.push(b"-- a new connection --".to_vec());
        let mut ours = Session::new(&mut cache);
        let mut theirs = reference.connect();
        let mut input = BytesMut::new();
        let mut on_connection = 0;
        let mut open = true;
        while open && on_connection < COMMANDS_PER_CONNECTION {
            let (count, batch) = if on_connection == 0 { (1, PREAMBLE.to_vec()) } else { script.batch() };
            on_connection += count;
            input.extend_from_slice(&batch);
            let mut expected = BytesMut::new();
            let step = loop {
                let step = ours.handle(&mut cache, now(), &mut input, &mut expected);
                if step != Step::WriteOutput {
                    break step;
                }
            };
            open = step == Step::NeedInput;
            script.learn_cas(&expected);
            let sent = theirs.send(&batch);
            let mut answered = theirs.read(expected.len());
            // Not every piece is answered, and with the next one it must not be
            // read as one. memcached takes connections in turn, but which one
            // comes first in a turn is not known: so two turns.
            for _ in 0..2 {
                bystander.send(b"mn\r\n").expect("memcached is there");
                assert_eq!(bystander.read(4), b"MN\r\n");
            }
            answered.extend(theirs.surplus());
            let closed = open || theirs.is_closed();
            history.push(batch);
            let alike = sent.is_ok() && closed && alike(&expected, &answered);
            assert!(alike, "{}", report(seed, version, &history, &expected, &answered));
        }
        ours.end(&mut cache);
        commands += on_connection;
    }
}

fn report(seed: u64, version: Version, history: &[Vec<u8>], ours: &[u8], theirs: &[u8]) -> String {
    let mut sent = String::new();
    for batch in history {
        sent.push_str(&format!("  {}\n", batch.escape_ascii()));
    }
    format!(
        "seed {seed}, {version:?}: after\n{sent}ours:   {}\ntheirs: {}\n",
        ours.escape_ascii(),
        theirs.escape_ascii()
    )
}

/// Equal but for counts of seconds.
fn alike(ours: &[u8], theirs: &[u8]) -> bool {
    if ours == theirs {
        return true;
    }
    let words =
        |text: &[u8]| -> Vec<Vec<u8>> { text.split(|byte| matches!(byte, b' ' | b'\n')).map(<[u8]>::to_vec).collect() };
    let (ours, theirs) = (words(ours), words(theirs));
    ours.len() == theirs.len()
        && ours.iter().zip(&theirs).all(|(ours, theirs)| ours == theirs || close_in_time(ours, theirs))
}

fn close_in_time(ours: &[u8], theirs: &[u8]) -> bool {
    let seconds = |word: &[u8]| -> Option<(Vec<u8>, u32)> {
        let word = word.strip_suffix(b"\r").unwrap_or(word);
        let name = [&b"exp="[..], b"la=", b"t", b"l"].into_iter().find(|name| word.starts_with(name))?;
        let digits = std::str::from_utf8(&word[name.len()..]).ok()?;
        let number = digits.parse::<i64>().ok()?;
        // Both the signed and the unsigned form of a passed deadline wrap alike.
        Some((name.to_vec(), u32::try_from(number.rem_euclid(1 << 32)).ok()?))
    };
    match (seconds(ours), seconds(theirs)) {
        (Some((name, ours)), Some((other, theirs))) => {
            let apart = ours.wrapping_sub(theirs);
            name == other && apart.min(apart.wrapping_neg()) <= SECONDS_APART_MAX
        }
        _ => false,
    }
}
