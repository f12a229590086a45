//! Whatever comes, however it is cut: nothing panics, and no way to read it says anything else.

use proptest::prelude::*;

use super::tests::{ask, frames, get, many, quiet_get, set};
use super::{read as without_shortcut, *};
use crate::testing::*;
use crate::{Arithmetic, AskVersion, Debug, Delete, FlushAll, Get, MultiGet, Noop, Set, Stats, Verbosity};

/// Pieces of which replies are made, and some that are not, so that random input gets past the first word.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known: Vec<&[u8]> = vec![
        b"VA ",
        b"HD ",
        b"EN ",
        b"NS",
        b"EX",
        b"NF",
        b"MN\r\n",
        b"ME k exp=-1",
        b"VALUE a 0 ",
        b"VALUE b 7 2\r\n",
        b"END\r\n",
        b"STAT a b\r\n",
        b"OK\r\n",
        b"RESET",
        b"VERSION ",
        b"ERROR",
        b"CLIENT_ERROR ",
        b"SERVER_ERROR ",
        b"OAAAA",
        b" OAAAA\r\n",
        b" OAAAB\r\n",
        b"OAAAC",
        b"O",
        b" ",
        b"  ",
        b"\r\n",
        b"\r",
        b"\n",
        b"0",
        b"1",
        b"2",
        b"10",
        b"-1",
        b"9223372036854775807",
        b"\xc2\xa0",
        b"xy\r\n",
        b"c5",
        b"t-1",
        b"W",
        b"\x15\x03\x01",
    ];
    prop_oneof![
        9 => proptest::sample::select(known).prop_map(<[u8]>::to_vec),
        1 => proptest::collection::vec(any::<u8>(), 0..4),
    ]
}

fn all_asks() -> Vec<Expect> {
    vec![
        get(),
        quiet_get(),
        set(),
        ask(Set::new(key("k"), "v").quiet()),
        ask(Arithmetic::increment(key("k")).with_value()),
        ask(Delete::new(key("k")).quiet()),
        many(&["a", "b", "a"]),
        ask(Stats::new()),
        ask(Noop),
        ask(Debug::new(key("k"))),
        Expect(Shape::Opening),
        expect(&peer(10), &Get::new(key("k")), 0),
    ]
}

fn any_asks() -> impl Strategy<Value = Vec<Expect>> {
    proptest::collection::vec(proptest::sample::select(all_asks()), 0..5)
}

/// Gives every command the same bytes as its reply, in all the forms in which a reply can come.
fn decode_all(bytes: &[u8]) {
    use memlink_core::{Command, Reply};
    fn decode(command: impl Command<Meta>, bytes: &[u8]) {
        let frame = || Frame::copy_from(bytes);
        let _ = command.decode(Reply::One(frame()));
        let _ = command.decode(Reply::Many(vec![frame(), frame(), Frame::copy_from(b"END")]));
        let _ = command.decode(Reply::Many(vec![]));
        let _ = command.decode(Reply::Silence);
    }
    decode(Get::new(key("a")).unless_cas(5).quiet(), bytes);
    decode(Set::new(key("a"), "v").with_cas(), bytes);
    decode(Delete::new(key("a b")), bytes);
    decode(Arithmetic::increment(key("a")).with_value(), bytes);
    decode(MultiGet::new(vec![key("a"), key("b")]), bytes);
    decode(Debug::new(key("a")), bytes);
    decode(Stats::new(), bytes);
    decode(Noop, bytes);
    decode(AskVersion, bytes);
    decode(FlushAll::new(), bytes);
    decode(Verbosity::new(1), bytes);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn verdicts_do_not_depend_on_how_the_bytes_were_cut(
        asks in any_asks(),
        pieces in proptest::collection::vec(piece(), 0..24),
        mut cuts in proptest::collection::vec(0_usize..200, 0..6),
    ) {
        let input = pieces.concat();
        let limits = Limits { line_len_max: 40, value_len_max: 60, ..Limits::default() };
        cuts.sort_unstable();
        let whole = frames(&asks, &input, [].into_iter(), &limits);
        prop_assert_eq!(&frames(&asks, &input, cuts.into_iter(), &limits), &whole);
        prop_assert_eq!(&frames(&asks, &input, 1..input.len(), &limits), &whole);
    }

    #[test]
    fn the_shortcut_says_what_the_long_way_says(
        which in 0_usize..12,
        (status, size, flags) in ("(VA|HD|EN|NS)", "( [0-9]{1,2})?", "( OAAAA| OAAAB| c5|  OAAAA)?"),
        value in "[a-c\\r\\n]{0,12}",
        crlf in "(\r\n)?",
    ) {
        let input = format!("{status}{size}{flags}\r\n{value}{crlf}").into_bytes();
        let limits = Limits { line_len_max: 16, value_len_max: 10, ..Limits::default() };
        let expect = &all_asks()[which];
        let ask = Ask { expect, serial: 0 };
        let long = without_shortcut(&mut State::default(), ask, &input, &limits);
        prop_assert_eq!(Meta::new().frame(&mut State::default(), Some(ask), &input, &limits), long);
    }

    #[test]
    fn no_reply_whatever_makes_a_reader_panic(pieces in proptest::collection::vec(piece(), 0..16)) {
        decode_all(&pieces.concat());
    }

    #[test]
    fn every_value_comes_back_as_it_was(value in proptest::collection::vec(any::<u8>(), 0..300), serial: u64) {
        let (peer, get) = (peer(45), Get::new(key("k")));
        let token = Opaque::of(serial).characters();
        let mut input = format!("VA {} O{}\r\n", value.len(), core::str::from_utf8(&token).unwrap()).into_bytes();
        input.extend_from_slice(&value);
        input.extend_from_slice(b"\r\n");
        let expect = expect(&peer, &get, serial);
        let ask = Some(Ask { expect: &expect, serial });
        let verdict = Meta::new().frame(&mut State::default(), ask, &input, &Limits::default());
        prop_assert_eq!(verdict, Verdict::Reply { len: input.len(), tail: 2 });
        let reply = memlink_core::Reply::One(Frame::copy_from(&input[..input.len() - 2]));
        let got = memlink_core::Command::decode(&get, reply).unwrap().unwrap().unwrap();
        prop_assert_eq!(&got.value.unwrap()[..], &value[..]);
    }
}
