//! Bounds hold to the byte, also for replies that have wholly come and are read at once.

use memlink_core::{Ask, Broken, Limits, Protocol as _, Verdict};

use crate::testing::{expect, key, peer};
use crate::{Get, Meta, MultiGet, State, Stats, Verb};

fn verdict(command: &impl Verb, input: &str, limits: &Limits) -> Verdict {
    let expect = expect(&peer(45), command, 0);
    let ask = Some(Ask { expect: &expect, serial: 0 });
    Meta::new().frame(&mut State::default(), ask, input.as_bytes(), limits)
}

#[test]
fn a_value_that_is_there_is_no_larger_than_is_allowed() {
    let limits = Limits { value_len_max: 10, ..Limits::default() };
    for (len, is_allowed) in [(9, true), (10, true), (11, false), (1_000, false)] {
        let value = "v".repeat(len);
        let found = verdict(&Get::new(key("k")), &format!("VA {len} OAAAA\r\n{value}\r\n"), &limits);
        assert_eq!(matches!(found, Verdict::Reply { .. }), is_allowed, "{found:?}");
        assert_eq!(found == Verdict::Broken(Broken::ReplyTooLarge { len: len as u64 }), !is_allowed, "{found:?}");
        let many = MultiGet::new(vec![key("k")]);
        let found = verdict(&many, &format!("VALUE k 0 {len}\r\n{value}\r\nEND\r\n"), &limits);
        assert_eq!(matches!(found, Verdict::Part { .. }), is_allowed, "{found:?}");
    }
}

#[test]
fn a_line_that_is_there_is_no_longer_than_is_allowed() {
    // The lines have 10, 13 and 13 bytes.
    for (line_len_max, status, value) in [(9, false, false), (10, true, false), (12, true, false), (13, true, true)] {
        let limits = Limits { line_len_max, ..Limits::default() };
        let found = verdict(&Get::new(key("k")), "EN OAAAA\r\n", &limits);
        assert_eq!(matches!(found, Verdict::Reply { .. }), status, "{line_len_max}: {found:?}");
        let found = verdict(&Get::new(key("k")), "VA 10 OAAAA\r\n0123456789\r\n", &limits);
        assert_eq!(matches!(found, Verdict::Reply { .. }), value, "{line_len_max}: {found:?}");
        let found = verdict(&MultiGet::new(vec![key("k")]), "VALUE k 0 3\r\nabc\r\nEND\r\n", &limits);
        assert_eq!(matches!(found, Verdict::Part { .. }), value, "{line_len_max}: {found:?}");
    }
}

/// Values that have wholly come make one part, up to a length; the next begins another.
#[test]
fn values_are_taken_together_up_to_a_length() {
    let len = |count: usize| {
        let keys: Vec<_> = (0..count).map(|n| key(&format!("k{n}"))).collect();
        let value = "v".repeat(1_000);
        let input: String = (0..count).map(|n| format!("VALUE k{n} 0 1000\r\n{value}\r\n")).collect();
        match verdict(&MultiGet::new(keys), &input, &Limits::default()) {
            Verdict::Part { len, .. } => len,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(len(1), "VALUE k0 0 1000\r\n".len() + 1_002);
    assert!((15_000..18_000).contains(&len(100)), "{}", len(100));
}

/// A part that is as long as that takes no other value.
#[test]
fn values_are_taken_together_up_to_that_length() {
    // 16 bytes, 1,006 and two: 1,024 each.
    let input = format!("VALUE k 0 1006\r\n{}\r\n", "v".repeat(1_006)).repeat(20);
    let found = verdict(&MultiGet::new(vec![key("k"); 20]), &input, &Limits::default());
    assert_eq!(found, Verdict::Part { len: 16 * 1_024, tail: 2 });
}

#[test]
fn statistics_are_no_longer_than_is_allowed() {
    // 10 bytes and 5.
    for (value_len_max, is_allowed) in [(14, false), (15, true)] {
        let limits = Limits { value_len_max, ..Limits::default() };
        let found = verdict(&Stats::new(), "STAT a b\r\nEND\r\n", &limits);
        assert_eq!(matches!(found, Verdict::Reply { len: 15, tail: 2 }), is_allowed, "{found:?}");
    }
}

/// No byte is looked at twice, however slowly a reply comes.
#[test]
fn what_has_been_looked_at_is_remembered() {
    fn begun(command: &impl Verb, input: &str) -> State {
        let (expect, mut state) = (expect(&peer(45), command, 0), State::default());
        let ask = Some(Ask { expect: &expect, serial: 0 });
        let found = Meta::new().frame(&mut state, ask, input.as_bytes(), &Limits::default());
        assert!(matches!(found, Verdict::More { .. }), "{found:?}");
        state
    }
    assert_eq!(begun(&Get::new(key("k")), "HD OA").scanned, 5);
    assert_eq!(begun(&Get::new(key("k")), "VA 10 OAAAA\r\nabc").total, 25);
    let begun = begun(&Stats::new(), "STAT a b\r\nSTAT c");
    assert_eq!((begun.line_start, begun.scanned), (10, 16));
}
