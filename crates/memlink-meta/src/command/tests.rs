//! What all commands have in common: their names, their keys, their lengths, and that an error line is one for each of them.

use bytes::Bytes;
use memlink_core::{Ask, Broken, Limits, Protocol as _, Verdict};

use super::*;
use crate::testing::{answer, expect, key, peer, wire};
use crate::{FaultKind, State, Ttl};

/// What is asked of each command here.
struct Told {
    name: &'static str,
    key: Option<Key>,
    /// Bytes on the wire, and as many as are said beforehand.
    len: usize,
    hint: usize,
    /// What an error line is read as.
    fault: Option<FaultKind>,
}

fn told<C: Verb<Output = Result<T, crate::Fault>>, T>(command: C) -> Told {
    Told {
        name: command.name(),
        key: command.key().cloned(),
        hint: command.size_hint(),
        fault: answer(&command, "SERVER_ERROR backend failure\r\n").err().map(|fault| fault.kind()),
        len: wire(command).len(),
    }
}

fn all() -> Vec<(&'static str, Option<&'static str>, Told)> {
    let value = || Bytes::from(vec![b'v'; 3_000]);
    let set = |mode| told(Set::with_mode(mode, key("k"), value()));
    let mut many = MultiGet::new(vec![key("a"), key("bcd")]);
    many.prepare(|| 0).expect("keys may be asked for");
    vec![
        ("get", Some("k"), told(Get::new(key("k")))),
        ("get", Some("k"), told(Get::new(key("k")).with_cas().with_size())),
        ("set", Some("k"), set(SetMode::Set)),
        ("add", Some("k"), set(SetMode::Add)),
        ("replace", Some("k"), set(SetMode::Replace)),
        ("append", Some("k"), set(SetMode::Append)),
        ("prepend", Some("k"), set(SetMode::Prepend)),
        ("delete", Some("k"), told(Delete::new(key("k")))),
        ("increment", Some("k"), told(Arithmetic::increment(key("k")).with_value())),
        ("decrement", Some("k"), told(Arithmetic::decrement(key("k")))),
        ("debug", Some("k"), told(Debug::new(key("k")))),
        ("multi_get", None, told(many)),
        ("noop", None, told(Noop)),
        ("flush_all", None, told(FlushAll::new())),
        ("flush_all", None, told(FlushAll::new().delay(core::time::Duration::from_secs(3_600)))),
        ("stats", None, told(Stats::new())),
        ("stats", None, told(Stats::of(StatsKind::Connections))),
        ("verbosity", None, told(Verbosity::new(2))),
        ("version", None, told(AskVersion)),
    ]
}

#[test]
fn each_says_its_name_and_its_key() {
    for (name, key, told) in all() {
        assert_eq!(told.name, name);
        assert_eq!(told.key.as_ref().map(Key::as_bytes), key.map(str::as_bytes), "{name}");
    }
}

/// What waits for room is counted by what is said beforehand: never less than comes, and not much more.
#[test]
fn each_says_how_long_it_is_about() {
    for (name, _, Told { len, hint, .. }) in all() {
        assert!((len..=len + 64).contains(&hint), "{name} has {len} bytes and says {hint}");
    }
}

#[test]
fn an_error_line_is_one_for_each() {
    for (name, _, told) in all() {
        assert_eq!(told.fault, Some(FaultKind::Backend), "{name}");
    }
}

/// The reply of the next command shows that a quiet one has nothing to say, and that any other has lost its reply.
#[test]
fn only_quiet_ones_are_answered_by_the_next_reply() {
    fn verdict(command: impl Verb) -> Verdict {
        let expect = expect(&peer(45), &command, 0);
        let ask = Some(Ask { expect: &expect, serial: 0 });
        Meta::new().frame(&mut State::default(), ask, b"HD OAAAB\r\n", &Limits::default())
    }
    let is_lost = |verdict| matches!(verdict, Verdict::Broken(Broken::OutOfPlace(_)));
    let (set, get) = (|| Set::new(key("k"), "v"), || Get::new(key("k")));
    let (delete, count) = (|| Delete::new(key("k")), || Arithmetic::increment(key("k")));
    assert!(is_lost(verdict(set())) && verdict(set().quiet()) == Verdict::Silence);
    assert!(is_lost(verdict(get())) && verdict(get().quiet()) == Verdict::Silence);
    assert!(is_lost(verdict(delete())) && verdict(delete().quiet()) == Verdict::Silence);
    assert!(is_lost(verdict(count())) && verdict(count().quiet()) == Verdict::Silence);
}

#[test]
fn faults_and_hints_are_told_and_hints_are_not_shown() {
    let fault = |line: &str| answer(&Noop, line).expect_err("it is a fault").to_string();
    assert_eq!(fault("ERROR\r\n"), "the server answered ERROR");
    assert_eq!(fault("CLIENT_ERROR bad data chunk\r\n"), "the server answered CLIENT_ERROR bad data chunk");
    assert_eq!(fault("SERVER_ERROR out of memory\r\n"), "the server answered SERVER_ERROR out of memory");
    let shown = format!("{:?}", Get::new(key("k")).proxy_path("secret"));
    assert!(shown.contains("HintTexts") && !shown.contains("secret"), "{shown}");
}

#[test]
fn statistics_are_counted() {
    let told = answer(&Stats::new(), "STAT pid 1\r\nSTAT uptime 2\r\nEND\r\n").expect("they are told");
    assert!(told.len() == 2 && !told.is_empty() && told.get("uptime") == Some("2"));
    assert!(Statistics::default().is_empty());
}

/// Flags that are looked for before a command is written.
#[test]
fn each_knows_whether_it_may_be_answered_by_silence() {
    assert!(!Get::new(key("k")).is_quiet() && Get::new(key("k")).quiet().is_quiet());
    assert!(!Delete::new(key("k")).is_quiet() && Delete::new(key("k")).quiet().is_quiet());
    assert!(!Arithmetic::increment(key("k")).is_quiet() && Arithmetic::increment(key("k")).quiet().is_quiet());
    let set = || Set::new(key("k"), "v").ttl(Ttl::NEVER);
    assert!(!set().is_quiet() && set().quiet().is_quiet());
}
