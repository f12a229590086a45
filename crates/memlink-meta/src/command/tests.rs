//! What all commands have in common: their names, their keys, their lengths, and that an error line is one for each of them.

use bytes::Bytes;
use memlink_core::{Ask, Broken, Command as _, Frame, Limits, Protocol as _, Reply, Verdict};

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

/// Long enough that lengths are told apart from their products.
const KEY: &str = "a-key-of-thirty-three-characters!";

fn all() -> Vec<(&'static str, Option<&'static str>, Told)> {
    let value = || Bytes::from(vec![b'v'; 3_000]);
    let set = |mode| told(Set::with_mode(mode, key(KEY), value()));
    let mut many = MultiGet::new(vec![key("a"), key("bcd")]);
    many.prepare(|| 0).expect("keys may be asked for");
    vec![
        ("get", Some(KEY), told(Get::new(key(KEY)))),
        ("get", Some(KEY), told(Get::new(key(KEY)).with_cas().with_size())),
        ("set", Some(KEY), set(SetMode::Set)),
        ("add", Some(KEY), set(SetMode::Add)),
        ("replace", Some(KEY), set(SetMode::Replace)),
        ("append", Some(KEY), set(SetMode::Append)),
        ("prepend", Some(KEY), set(SetMode::Prepend)),
        ("delete", Some(KEY), told(Delete::new(key(KEY)))),
        ("increment", Some(KEY), told(Arithmetic::increment(key(KEY)).with_value())),
        ("decrement", Some(KEY), told(Arithmetic::decrement(key(KEY)))),
        ("debug", Some(KEY), told(Debug::new(key(KEY)))),
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

/// Whoever has room for it writes a plain get at once. No more than others may it be taken for one.
#[test]
fn what_is_written_does_not_depend_on_the_room_there_is() {
    let get = || Get::new(key(KEY));
    let gets = [
        get(),
        get().with_cas(),
        get().with_size(),
        get().with_ttl(),
        get().with_client_flags(),
        get().quiet(),
        get().no_bump(),
        Get::without_value(key(KEY)),
        Get::new(key("a b")),
        Get::new(key(&"k".repeat(250))),
    ];
    for get in gets {
        let alone = wire(get.clone());
        for peer in [peer(45), peer(45).without_opaque()] {
            if get.is_quiet() && !peer.opaque() {
                continue;
            }
            let behind = memlink_core::encode_to_vec(|out| {
                out.reserve(4_096);
                get.encode(&peer, 0, out);
            });
            let behind = String::from_utf8(behind).expect("a line is text");
            assert_eq!(behind, if peer.opaque() { alone.clone() } else { alone.replace(" OAAAA", "") });
        }
    }
}

#[test]
fn whoever_asks_twice_asks_all_the_same() {
    let get = || Get::new(key("k"));
    assert_eq!(wire(get().with_cas().with_cas().with_ttl().with_ttl()), wire(get().with_cas().with_ttl()));
}

/// Each asks for one status alone, and takes no other for it.
#[test]
fn a_status_of_another_command_is_malformed() {
    fn takes<C: Verb>(command: &C, line: &str) -> bool {
        command.decode(Reply::One(Frame::copy_from(line.as_bytes()))).is_ok()
    }
    for (line, takers) in
        [("MN", 0), ("OK", 1), ("VERSION 1.6.45", 2), ("ME k exp=-1 la=1", 3), ("HD k exp=-1 la=1", 9)]
    {
        assert_eq!(takes(&Noop, line), takers == 0, "{line}");
        assert_eq!(takes(&FlushAll::new(), line), takers == 1, "{line}");
        assert_eq!(takes(&Verbosity::new(1), line), takers == 1, "{line}");
        assert_eq!(takes(&AskVersion, line), takers == 2, "{line}");
        assert_eq!(takes(&Debug::new(key("k")), line), takers == 3, "{line}");
    }
}

#[test]
fn values_are_not_shown() {
    let shown = format!("{:?}", Set::new(key("k"), "secret"));
    assert!(shown.contains("6 bytes") && !shown.contains("secret"), "{shown}");
}

/// What a server lacks is refused only to those who want it.
#[test]
fn hints_are_for_servers_that_know_them() {
    let is_taken = |command: &dyn Fn() -> Result<(), memlink_core::Unsupported>| command().is_ok();
    for (patch, knows) in [(10, false), (45, true)] {
        let peer = peer(patch);
        assert!(is_taken(&|| Arithmetic::increment(key("k")).check(&peer)));
        assert!(is_taken(&|| Delete::new(key("k")).check(&peer)));
        assert!(is_taken(&|| Delete::new(key("k")).compare_cas(7).check(&peer)));
        assert_eq!(is_taken(&|| Arithmetic::increment(key("k")).proxy_path("p").check(&peer)), knows);
        assert_eq!(is_taken(&|| Delete::new(key("k")).proxy_path("p").check(&peer)), knows);
    }
}

#[test]
fn a_line_of_keys_has_a_longest() {
    // `get`, then 41 bytes for each of 199 keys, and the end of the line: 8,165 bytes. Another key of 26 makes it 8,192.
    let mut keys: Vec<_> = (0..199).map(|n| key(&format!("{n:040}"))).collect();
    keys.push(key(&"k".repeat(26)));
    let mut line = MultiGet::new(keys.clone());
    assert_eq!((line.size_hint(), line.keys().len(), MultiGet::fitting(&keys)), (8_192, 200, 200));
    assert!(line.prepare(|| 0).is_ok());
    keys[199] = key(&"k".repeat(27));
    assert!(MultiGet::new(keys.clone()).prepare(|| 0).is_err());
    assert_eq!(MultiGet::fitting(&keys), 199);
}
