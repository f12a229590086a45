//! The checker of histories: what it must accept, what it must reject, and that it says what trying all orders says.

use memlink_history::{Answered, Asked, History, Item};

/// One operation: when it began and ended, what was asked, and what was answered if that is known.
type Line = (u64, u64, Asked, Option<Answered>);

fn history(lines: &[Line]) -> History {
    let mut history = History::new();
    for (began, ended, asked, answered) in lines {
        let operation = history.begin(b"key", *began, asked.clone());
        match answered {
            Some(answered) => history.answer(&operation, *ended, answered.clone()),
            None => history.unknown_until(&operation, *ended),
        }
    }
    history
}

fn got(value: u64) -> Option<Answered> {
    Some(Answered::Item(Some(Item::Parts(vec![value]))))
}

const MISS: Option<Answered> = Some(Answered::Item(None));
const DONE: Option<Answered> = Some(Answered::Done);
const REFUSED: Option<Answered> = Some(Answered::Refused);
const EVER: u64 = u64::MAX;

fn counted(count: u64) -> Option<Answered> {
    Some(Answered::Count(count))
}

fn parts(parts: &[u64]) -> Item {
    Item::Parts(parts.to_vec())
}

#[test]
fn what_an_order_explains_is_accepted() {
    use Asked::{Add, Append, Clear, Delete, Get, Increment, IncrementThere, Set, SetTooLarge, Swap};
    let cases: &[(&str, &[Line])] = &[
        ("nothing at all", &[]),
        ("one after another", &[(0, 1, Set(1), DONE), (2, 3, Get, got(1)), (4, 5, Delete, DONE), (6, 7, Get, MISS)]),
        ("at the same time, either way", &[(0, 9, Set(1), DONE), (0, 9, Get, MISS), (0, 9, Get, got(1))]),
        (
            "the order that fits is not that of the beginnings",
            &[(0, 9, Set(1), DONE), (1, 8, Set(2), DONE), (10, 11, Get, got(1))],
        ),
        ("unknown, and it happened", &[(0, EVER, Set(1), None), (5, 6, Get, got(1))]),
        ("unknown, and it did not", &[(0, EVER, Set(1), None), (5, 6, Get, MISS)]),
        (
            "unknown, and it happened much later",
            &[(0, EVER, Set(1), None), (5, 6, Get, MISS), (7, 8, Get, MISS), (9, 10, Get, got(1))],
        ),
        ("unknown, and it happened before its connection was dead", &[(0, 7, Set(1), None), (5, 8, Get, got(1))]),
        (
            "an unknown increment, counted",
            &[(0, 1, Increment(2), counted(2)), (2, EVER, Increment(4), None), (5, 6, Increment(8), counted(14))],
        ),
        (
            "an unknown increment, not counted",
            &[(0, 1, Increment(2), counted(2)), (2, EVER, Increment(4), None), (5, 6, Increment(8), counted(10))],
        ),
        (
            "conditions",
            &[
                (0, 1, Add(1), DONE),
                (2, 3, Add(2), REFUSED),
                (4, 5, Append(3), DONE),
                (6, 7, Swap { seen: parts(&[1]), to: 4 }, REFUSED),
                (8, 9, Swap { seen: parts(&[1, 3]), to: 4 }, DONE),
                (10, 11, Get, got(4)),
                (12, 13, Increment(1), Some(Answered::Fault)),
                (14, 15, SetTooLarge, Some(Answered::Fault)),
                (16, 17, Append(5), REFUSED),
                (18, 19, Delete, REFUSED),
                (20, 21, IncrementThere(1), REFUSED),
                (22, 23, Increment(3), counted(3)),
                (24, 25, IncrementThere(1), counted(4)),
            ],
        ),
        ("a server that lost everything", &[(0, 1, Set(1), DONE), (2, 2, Clear, DONE), (3, 4, Get, MISS)]),
    ];
    for (name, lines) in cases {
        let checked = history(lines).check().unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
        assert_eq!((checked.operations, checked.undecided), (lines.len(), 0), "{name}");
    }
}

#[test]
fn what_no_order_explains_is_rejected() {
    use Asked::{Add, Delete, Get, Increment, Set};
    let cases: &[(&str, &[Line])] = &[
        ("a value that nobody stored", &[(0, 1, Get, got(7))]),
        ("a read that is stale", &[(0, 1, Set(1), DONE), (2, 3, Set(2), DONE), (4, 5, Get, got(1))]),
        ("a false miss", &[(0, 1, Set(1), DONE), (2, 3, Get, MISS)]),
        (
            "back and forth",
            &[
                (0, 20, Set(1), DONE),
                (0, 20, Set(2), DONE),
                (1, 2, Get, got(1)),
                (3, 4, Get, got(2)),
                (5, 6, Get, got(1)),
            ],
        ),
        ("an increment that was counted twice", &[(0, 1, Increment(1), counted(1)), (2, 3, Increment(1), counted(3))]),
        (
            "an unknown increment, counted twice",
            &[(0, EVER, Increment(4), None), (2, 3, Increment(1), counted(5)), (4, 5, Increment(1), counted(10))],
        ),
        ("an increment that was lost", &[(0, 1, Increment(1), counted(1)), (2, 3, Increment(1), counted(1))]),
        ("unknown, and seen before it began", &[(0, 1, Get, got(1)), (2, EVER, Set(1), None)]),
        ("unknown, and gone again", &[(0, EVER, Set(1), None), (2, 3, Get, got(1)), (4, 5, Get, MISS)]),
        (
            "unknown, and it happened when its connection was dead",
            &[(0, 4, Set(1), None), (5, 6, Get, MISS), (7, 8, Get, got(1))],
        ),
        ("an add over an item", &[(0, 1, Set(1), DONE), (2, 3, Add(2), DONE)]),
        ("a delete of nothing", &[(0, 1, Delete, DONE)]),
    ];
    for (name, lines) in cases {
        assert!(history(lines).check().is_err(), "{name}");
    }
}

#[test]
fn keys_are_judged_each_by_itself_and_not_sent_is_not_there() {
    let mut history = History::new();
    let lost = history.begin(b"a", 0, Asked::Set(1));
    history.not_sent(&lost);
    let get = history.begin(b"a", 2, Asked::Get);
    history.answer(&get, 3, Answered::Item(None));
    assert_eq!(history.check().map(|checked| checked.keys), Ok(1));
    let get = history.begin(b"b", 4, Asked::Get);
    history.answer(&get, 5, Answered::Item(Some(parts(&[1]))));
    let wrong = history.check().expect_err("nobody stored it there");
    assert_eq!(wrong.key, b"b");
    assert!(wrong.to_string().contains("4 - 5"), "{wrong}");
}

/// All orders, tried by brute force: of any subset of those that are unknown, and any order that real time allows.
fn is_explained(lines: &[Line]) -> bool {
    fn next(lines: &[Line], done: &mut Vec<usize>, state: &Option<u64>) -> bool {
        let is_open = |n: &usize| !done.contains(n);
        if (0..lines.len()).filter(is_open).all(|n| lines[n].3.is_none()) {
            return true;
        }
        for n in (0..lines.len()).filter(is_open).collect::<Vec<_>>() {
            let (began, ended, asked, answered) = &lines[n];
            let overtakes = (0..lines.len())
                .any(|other| !done.contains(&other) && lines[other].3.is_some() && lines[other].1 < *began);
            let is_too_late = done.iter().any(|other| *ended < lines[*other].0);
            let (said, after) = match asked {
                Asked::Set(value) => (DONE, Some(*value)),
                Asked::Delete => (if state.is_some() { DONE } else { REFUSED }, None),
                _ => (Some(Answered::Item(state.map(|value| parts(&[value])))), *state),
            };
            if overtakes || is_too_late || (answered.is_some() && *answered != said) {
                continue;
            }
            done.push(n);
            if next(lines, done, &after) {
                return true;
            }
            done.pop();
        }
        false
    }
    next(lines, &mut Vec::new(), &None)
}

#[test]
fn it_says_what_trying_all_orders_says() {
    let mut dice = fastrand::Rng::with_seed(6);
    let mut explained = 0;
    for _ in 0..20_000 {
        let lines: Vec<Line> = (0..dice.u64(1..7))
            .map(|n| {
                let began = dice.u64(0..12);
                let ended = if dice.u8(..3) == 0 { EVER } else { began + dice.u64(0..6) };
                let (asked, answered) = match dice.u8(..4) {
                    0 | 1 => (Asked::Set(n), DONE),
                    2 => (Asked::Delete, if dice.bool() { DONE } else { REFUSED }),
                    _ => (Asked::Get, if dice.u8(..3) == 0 { MISS } else { got(dice.u64(0..6)) }),
                };
                let is_known = ended != EVER && dice.u8(..4) != 0;
                (began, ended, asked, if is_known { answered } else { None })
            })
            .collect();
        let expected = is_explained(&lines);
        assert_eq!(history(&lines).check().is_ok(), expected, "{lines:?}");
        explained += u32::from(expected);
    }
    assert!((4_000..16_000).contains(&explained), "{explained} of them are explained: both sides are tried");
}

#[test]
fn a_long_history_is_checked_in_no_time() {
    let mut history = History::new();
    for n in 0..20_000 {
        let at = 10 * n;
        let set = history.begin(b"key", at, Asked::Set(n));
        // Every tenth answer is lost, and half of those commands never happened.
        match n % 20 {
            0 => history.unknown_until(&set, at + 30),
            10 => history.unknown_until(&set, at),
            _ => history.answer(&set, at + 12, Answered::Done),
        }
        let get = history.begin(b"key", at + 4, Asked::Get);
        let seen = if n % 20 == 10 { n - 1 } else { n };
        history.answer(&get, at + 9, Answered::Item(Some(parts(&[seen]))));
    }
    let checked = history.check().unwrap_or_else(|wrong| panic!("{}", &wrong.to_string()[..2_000]));
    assert_eq!((checked.keys, checked.undecided), (1, 0));
}
