use super::*;
use crate::testing::*;
use crate::{Arithmetic, AskVersion, Debug, Delete, FlushAll, Get, MultiGet, Noop, Set, Stats, Verb};

/// What a stream was taken for, one line for each reply, up to the first thing that ends the connection.
pub(super) type Seen = Vec<String>;

/// Reads `input` as it arrives in pieces that end at `cuts`, the way core's `Incoming` does: the head of `asks` is
/// asked about, and asked about again when as many bytes are there as were said to be needed.
///
/// Asking too early must do no harm either, so it is done after every piece; it must then say that more is needed.
pub(super) fn frames(asks: &[Expect], input: &[u8], cuts: impl Iterator<Item = usize>, limits: &Limits) -> Seen {
    let meta = Meta::new();
    let (mut state, mut from, mut head, mut want, mut seen) = (State::default(), 0, 0, 0, Seen::new());
    for cut in cuts.chain([input.len()]) {
        let cut = cut.min(input.len());
        while from < cut {
            let rest = &input[from..cut];
            let expect = asks.get(head).cloned().map(|expect| expect.numbered(head as u64));
            let ask = expect.as_ref().map(|expect| Ask { expect, serial: head as u64 });
            let verdict = meta.frame(&mut state, ask, rest, limits);
            if rest.len() < want {
                assert!(
                    matches!(verdict, Verdict::More { .. }),
                    "{want} bytes were said to be needed, then: {verdict:?}"
                );
            }
            let whole = |len: usize, tail: usize| String::from_utf8_lossy(&rest[..len - tail]).into_owned();
            match verdict {
                Verdict::More { total } => {
                    assert!(total > rest.len());
                    want = total;
                    break;
                }
                Verdict::Reply { len, tail } => {
                    seen.push(format!("{head}: {}", whole(len, tail)));
                    (from, head, want) = (from + len, head + 1, 0);
                }
                Verdict::Part { len, tail } => {
                    seen.push(format!("{head}+ {}", whole(len, tail)));
                    (from, want) = (from + len, 0);
                }
                Verdict::Silence => {
                    seen.push(format!("{head}: silence"));
                    (head, want) = (head + 1, 0);
                }
                Verdict::Last { len, tail, why } => {
                    seen.push(format!("{head}: {}", whole(len, tail)));
                    seen.push(why.to_string());
                    return seen;
                }
                Verdict::Broken(why) => {
                    seen.push(why.to_string());
                    return seen;
                }
                Verdict::Unasked { .. } => panic!("memcached says nothing that is not asked for"),
            }
        }
    }
    if from < input.len() {
        seen.push(format!("{} bytes wait", input.len() - from));
    }
    seen
}

/// Reads `input` whole, cut in two at every byte, and byte by byte, and expects the same of all.
fn check(asks: &[Expect], input: impl AsRef<[u8]>, want: &[&str]) {
    let (input, limits) = (input.as_ref(), Limits::default());
    let shown = String::from_utf8_lossy(input).into_owned();
    assert_eq!(frames(asks, input, [].into_iter(), &limits), want, "whole: {shown:?}");
    for cut in 1..input.len() {
        assert_eq!(frames(asks, input, [cut].into_iter(), &limits), want, "cut at {cut}: {shown:?}");
    }
    assert_eq!(frames(asks, input, 1..input.len(), &limits), want, "byte by byte: {shown:?}");
}

pub(super) fn ask(command: impl Verb) -> Expect {
    expect(&peer(45), &command, 0)
}

pub(super) fn get() -> Expect {
    ask(Get::new(key("k")))
}

pub(super) fn set() -> Expect {
    ask(Set::new(key("k"), "val"))
}

pub(super) fn quiet_get() -> Expect {
    ask(Get::new(key("k")).quiet())
}

pub(super) fn many(keys: &[&str]) -> Expect {
    ask(MultiGet::new(keys.iter().map(|k| key(k)).collect()))
}

#[test]
fn replies_end_where_they_end() {
    check(
        &[
            get(),
            get(),
            set(),
            ask(Delete::new(key("k"))),
            ask(Arithmetic::increment(key("k")).with_value()),
            ask(Noop),
            ask(Debug::new(key("k"))),
            ask(AskVersion),
            ask(FlushAll::new()),
            ask(Debug::new(key("k"))),
        ],
        "VA 6 OAAAA\r\nEN\r\nHD\r\nEN OAAAB \r\nHD OAAAC c5\r\nNF OAAAD\r\nVA 1 OAAAE t5\r\n7\r\nMN\r\n\
         ME k exp=-1\r\nVERSION 1.6.45\r\nOK\r\nEN\r\n",
        &[
            "0: VA 6 OAAAA\r\nEN\r\nHD",
            "1: EN OAAAB ",
            "2: HD OAAAC c5",
            "3: NF OAAAD",
            "4: VA 1 OAAAE t5\r\n7",
            "5: MN",
            "6: ME k exp=-1",
            "7: VERSION 1.6.45",
            "8: OK",
            "9: EN",
        ],
    );
}

#[test]
fn old_and_strange_spacing_is_tolerated() {
    check(
        &[get(), get(), set()],
        "VA 1  OAAAA  c5 \r\nx\r\nEN  OAAAB \r\nHD c5 Q? OAAAC\r\n",
        &["0: VA 1  OAAAA  c5 \r\nx", "1: EN  OAAAB ", "2: HD c5 Q? OAAAC"],
    );
}

#[test]
fn a_reply_out_of_place_breaks_the_connection() {
    let other = "a reply is not in its place: the opaque of another command";
    let none = "a reply is not in its place: a reply without the opaque that was sent";
    let status = "a reply is not in its place: a status that the command cannot get";
    let cases: &[(Expect, &str, &str)] = &[
        (get(), "EN OAAAB\r\n", other),
        (get(), "VA 1 OAAAB\r\n", other),
        (get(), "VA 99999999999 OAAAB\r\n", other),
        (get(), "EN OAAA\r\n", other),
        (get(), "EN OAAAAA\r\n", other),
        (get(), "EN O\r\n", other),
        (get(), "EN\r\n", none),
        (get(), "VA 1\r\n", none),
        (get(), "EN\tOAAAA\r\n", "the reply is not of this protocol: an unknown status"),
        (get(), "EN kx\u{a0}OAAAA\r\n", none),
        (get(), "VA 1 kx\u{a0}5\r\n", none),
        (get(), "MN\r\n", none),
        (get(), "END\r\n", none),
        (get(), "HD OAAAA\r\n", status),
        (get(), "NS OAAAA\r\n", status),
        (get(), "MN OAAAA\r\n", status),
        (ask(Get::without_value(key("k"))), "VA 1 OAAAA\r\nx\r\n", status),
        (set(), "EN OAAAA\r\n", status),
        (set(), "VA 1 OAAAA\r\nx\r\n", status),
        (ask(Delete::new(key("k"))), "VA 1 OAAAA\r\nx\r\n", status),
        (ask(Arithmetic::increment(key("k"))), "VA 1 OAAAA\r\n1\r\n", status),
        (ask(Arithmetic::increment(key("k")).with_value()), "HD OAAAA\r\n", status),
        (ask(Noop), "HD\r\n", status),
        (ask(Noop), "END\r\n", status),
        (ask(AskVersion), "OK\r\n", status),
        (ask(FlushAll::new()), "VERSION 1\r\n", status),
        (ask(Debug::new(key("k"))), "HD\r\n", status),
    ];
    for (expect, input, want) in cases {
        check(core::slice::from_ref(expect), input, &[want]);
    }
}

#[test]
fn what_is_no_reply_breaks_the_connection() {
    let unknown = "the reply is not of this protocol: an unknown status";
    let length = "the reply is not of this protocol: a value without a length";
    let crlf = "the reply is not of this protocol: a line that does not end in CRLF";
    let large = |len: &str| format!("the server announced {len} bytes, more than the limit");
    let cases: &[(&str, &str)] = &[
        ("\r\n", unknown),
        (" \r\n", unknown),
        (" EN OAAAA\r\n", unknown),
        ("\n", crlf),
        ("EN OAAAA\n", crlf),
        ("EN\nOAAAA\r\n", crlf),
        ("hd OAAAA\r\n", unknown),
        ("STORED\r\n", unknown),
        ("OAAAA\r\n", unknown),
        ("HTTP/1.1 400 Bad Request\r\n", unknown),
        ("ERRORS\r\n", unknown),
        ("VA\r\n", length),
        ("VA OAAAA\r\n", length),
        ("VA -1 OAAAA\r\n", length),
        ("VA +1 OAAAA\r\n", length),
        ("VA 1x OAAAA\r\n", length),
        ("VA 1.0 OAAAA\r\n", length),
        ("VA 99999999999999999999 OAAAA\r\n", length),
        ("VA 1 OAAAA\r\nxy\r\n", "the reply is not of this protocol: a value that is not followed by CRLF"),
        ("VA 1 OAAAA\r\nx\n\n", "the reply is not of this protocol: a value that is not followed by CRLF"),
        ("VA 3 OAAAA\r\nx\r\nEN", "the reply is not of this protocol: a value that is not followed by CRLF"),
        ("VA 8388609 OAAAA\r\n", &large("8388609")),
        ("VA 9223372036854775807 OAAAA\r\n", &large("9223372036854775807")),
        ("VA 18446744073709551615 OAAAA\r\n", &large("18446744073709551615")),
    ];
    for (input, want) in cases {
        check(&[get()], input, &[want]);
    }
    check(&[], "MN\r\n", &["the server sent bytes that nobody asked for"]);
    check(&[ask(Noop)], "MN\r\nMN\r\n", &["0: MN", "the server sent bytes that nobody asked for"]);
}

#[test]
fn the_length_of_a_value_is_known_before_it_comes() {
    let (mut state, expect) = (State::default(), get());
    let ask = || Some(Ask { expect: &expect, serial: 0 });
    let limits = Limits::default();
    let verdict = Meta::new().frame(&mut state, ask(), b"VA 8388608 OAAAA\r\n", &limits);
    assert_eq!(verdict, Verdict::More { total: 18 + 8_388_608 + 2 });
    let verdict = Meta::new().frame(&mut state, ask(), b"VA 8388608 OAAAA\r\nxxxx", &limits);
    assert_eq!(verdict, Verdict::More { total: 18 + 8_388_608 + 2 });
}

#[test]
fn an_endless_line_is_not_waited_for() {
    let limits = Limits { line_len_max: 32, ..Limits::default() };
    let too_long = ["the server sent a line longer than the limit"];
    let fits = format!("EN OAAAA {}\r\n", "x".repeat(21));
    assert_eq!(fits.len(), 32);
    let longer = format!("EN OAAAA {}\r\n", "x".repeat(22));
    let endless = "x".repeat(33);
    for cuts in [vec![], (1..40).collect(), vec![31], vec![32], vec![33]] {
        let read = |input: &str| frames(&[get()], input.as_bytes(), cuts.clone().into_iter(), &limits);
        assert_eq!(read(&fits), [format!("0: {}", fits.trim_end())]);
        assert_eq!(read(&longer), too_long);
        assert_eq!(read(&endless), too_long);
    }
}

#[test]
fn an_error_line_belongs_to_the_command_whose_turn_it_is() {
    let swallowed = "the server reported an error to a command with a value, which it may have taken for commands";
    for error in
        ["ERROR", "ERROR text", "ERROR: shutdown not enabled", "CLIENT_ERROR", "CLIENT_ERROR bad command line format"]
    {
        let said = format!("0: {error}");
        check(&[get(), get()], format!("{error}\r\nEN OAAAB\r\n"), &[&said, "1: EN OAAAB"]);
        check(&[ask(Noop), ask(Noop)], format!("{error}\r\nMN\r\n"), &[&said, "1: MN"]);
        check(&[ask(Stats::new()), ask(Noop)], format!("{error}\r\nMN\r\n"), &[&said, "1: MN"]);
        check(&[many(&["k"]), ask(Noop)], format!("{error}\r\nMN\r\n"), &[&said, "1: MN"]);
        check(&[set(), get()], format!("{error}\r\nEN OAAAB\r\n"), &[&said, swallowed]);
    }
    let error = "SERVER_ERROR object too large for cache";
    let said = format!("0: {error}");
    check(&[set(), get()], format!("{error}\r\nEN OAAAB\r\n"), &[&said, "1: EN OAAAB"]);
    check(&[get(), get()], format!("{error}\r\nEN OAAAB\r\n"), &[&said, "1: EN OAAAB"]);
}

#[test]
fn quiet_commands_are_answered_by_those_behind_them() {
    check(
        &[quiet_get(), quiet_get(), quiet_get(), ask(Noop)],
        "VA 1 OAAAB\r\nx\r\nMN\r\n",
        &["0: silence", "1: VA 1 OAAAB\r\nx", "2: silence", "3: MN"],
    );
    check(&[quiet_get(), get()], "EN OAAAB\r\n", &["0: silence", "1: EN OAAAB"]);
    check(
        &[ask(Set::new(key("k"), "v").quiet()), ask(Delete::new(key("k")).quiet()), ask(Debug::new(key("k")))],
        "NS OAAAA\r\nEN\r\n",
        &["0: NS OAAAA", "1: silence", "2: EN"],
    );
    check(
        &[quiet_get(), many(&["k"]), ask(Noop)],
        "VALUE k 0 1\r\nx\r\nEND\r\nMN\r\n",
        &["0: silence", "1+ VALUE k 0 1\r\nx", "1: END", "2: MN"],
    );
    check(&[quiet_get(), ask(Stats::new())], "STAT a b\r\nEND\r\n", &["0: silence", "1: STAT a b\r\nEND"]);
    check(&[quiet_get(), ask(AskVersion)], "VERSION 1\r\n", &["0: silence", "1: VERSION 1"]);
    // Servers before 1.6.40 answer a quiet creation.
    check(
        &[ask(Arithmetic::increment(key("k")).vivify(crate::Ttl::NEVER).quiet()), ask(Noop)],
        "HD OAAAA\r\nMN\r\n",
        &["0: HD OAAAA", "1: MN"],
    );
}

#[test]
fn silence_is_not_concluded_from_anything() {
    let other = "a reply is not in its place: the opaque of another command";
    let cases: &[(&str, &[&str])] = &[
        ("HD O____\r\n", &[other]),
        ("HD Oabc\r\n", &[other]),
        ("HD O!!!!\r\n", &[other]),
        ("HD\r\n", &["a reply is not in its place: a reply without the opaque that was sent"]),
        ("HD OAAAA\r\n", &["a reply is not in its place: a status that the command cannot get"]),
        ("garbage\r\n", &["the reply is not of this protocol: an unknown status"]),
        (
            "SERVER_ERROR out of memory\r\n",
            &["the server reported an error that cannot be attributed to one of several quiet commands"],
        ),
        // From a later command than any that is known of.
        ("EN OAAAC\r\n", &["0: silence", "1: silence", "the server sent bytes that nobody asked for"]),
    ];
    for (input, want) in cases {
        check(&[quiet_get(), quiet_get()], input, want);
    }
}

#[test]
fn a_miss_without_opaque_is_for_old_servers_only() {
    let old = expect(&peer(17), &Get::new(key("k")), 0);
    check(core::slice::from_ref(&old), "EN\r\n", &["0: EN"]);
    check(core::slice::from_ref(&old), "EN \r\n", &["0: EN "]);
    check(
        core::slice::from_ref(&old),
        "VA 1\r\nx\r\n",
        &["a reply is not in its place: a reply without the opaque that was sent"],
    );
    check(core::slice::from_ref(&old), "EN OAAAB\r\n", &["a reply is not in its place: the opaque of another command"]);
}

#[test]
fn without_opaques_the_status_alone_confirms() {
    let bare = expect(&peer(45).without_opaque(), &Get::new(key("k")), 0);
    check(core::slice::from_ref(&bare), "VA 1 f5\r\nx\r\n", &["0: VA 1 f5\r\nx"]);
    check(core::slice::from_ref(&bare), "EN\r\n", &["0: EN"]);
    check(
        core::slice::from_ref(&bare),
        "HD\r\n",
        &["a reply is not in its place: a status that the command cannot get"],
    );
}

#[test]
fn values_of_a_multi_get_come_in_the_order_of_the_keys() {
    let foreign = "a reply is not in its place: a value of a key that was not asked for";
    let syntax = "the reply is not of this protocol: neither a value nor the end of values";
    let middle = "the server reported an error in the middle of an answer";
    let cases: &[(&str, &[&str])] = &[
        ("END\r\n", &["0: END"]),
        ("VALUE b 0 0\r\n\r\nEND\r\n", &["0+ VALUE b 0 0\r\n", "0: END"]),
        (
            "VALUE a 0 5\r\nEND\r\n\r\nVALUE c 1 1\r\nx\r\nEND\r\n",
            &["0+ VALUE a 0 5\r\nEND\r\n", "0+ VALUE c 1 1\r\nx", "0: END"],
        ),
        ("VALUE d 0 1\r\n", &[foreign]),
        ("VALUE aa 0 1\r\n", &[foreign]),
        ("VALUE b 0 1\r\nx\r\nVALUE a 0 1\r\n", &["0+ VALUE b 0 1\r\nx", foreign]),
        ("VALUE b 0 1\r\nx\r\nVALUE b 0 1\r\n", &["0+ VALUE b 0 1\r\nx", foreign]),
        ("VALUE a 0 1 7\r\n", &[syntax]),
        ("VALUE a 0\r\n", &[syntax]),
        ("VALUE a 0 -1\r\n", &[syntax]),
        ("VALUE a x 1\r\n", &[syntax]),
        ("VALUE\r\n", &[syntax]),
        ("MN\r\n", &[syntax]),
        ("\r\n", &[syntax]),
        ("VALUE a 0 1\r\nxy\r\n", &["the reply is not of this protocol: a value that is not followed by CRLF"]),
        ("VALUE a 0 8388609\r\n", &["the server announced 8388609 bytes, more than the limit"]),
        ("VALUE a 0 1\r\nx\r\nSERVER_ERROR x\r\n", &["0+ VALUE a 0 1\r\nx", "0: SERVER_ERROR x", middle]),
    ];
    for (input, want) in cases {
        check(&[many(&["a", "b", "c"])], input, want);
    }
    // The place within one answer says nothing of the next.
    check(
        &[many(&["a", "b"]), many(&["a", "b"])],
        "VALUE b 0 1\r\nx\r\nEND\r\nVALUE a 0 1\r\ny\r\nEND\r\n",
        &["0+ VALUE b 0 1\r\nx", "0: END", "1+ VALUE a 0 1\r\ny", "1: END"],
    );
    let with_cas = ask(MultiGet::new(vec![key("a")]).with_cas());
    check(core::slice::from_ref(&with_cas), "VALUE a 0 1 9\r\nx\r\nEND\r\n", &["0+ VALUE a 0 1 9\r\nx", "0: END"]);
    check(core::slice::from_ref(&with_cas), "VALUE a 0 1\r\nx\r\nEND\r\n", &[syntax]);
}

#[test]
fn statistics_are_one_reply_of_many_lines() {
    let syntax = "the reply is not of this protocol: neither a statistic nor the end of statistics";
    let cases: &[(&str, &[&str])] = &[
        ("STAT a b\r\nSTAT c \r\nEND\r\n", &["0: STAT a b\r\nSTAT c \r\nEND"]),
        ("RESET\r\n", &["0: RESET"]),
        ("STAT a b\r\nMN\r\n", &[syntax]),
        ("STAT a b\r\n\r\n", &[syntax]),
        (
            "STAT a b\r\nSERVER_ERROR x\r\n",
            &["0: STAT a b\r\nSERVER_ERROR x", "the server reported an error in the middle of an answer"],
        ),
    ];
    for (input, want) in cases {
        check(&[ask(Stats::new())], input, want);
    }
    let limits = Limits { value_len_max: 24, ..Limits::default() };
    for cuts in [vec![], (1..40).collect::<Vec<_>>()] {
        let seen = frames(&[ask(Stats::new())], &b"STAT a b\r\n".repeat(4), cuts.into_iter(), &limits);
        assert_eq!(seen, ["the server announced 30 bytes, more than the limit"]);
    }
}
