use proptest::prelude::*;

use super::*;
use crate::testing::*;

#[test]
fn every_option_has_its_flag() {
    let get = || Get::new(key("k"));
    let cases = [
        (get(), "mg k OAAAA v"),
        (Get::without_value(key("k")), "mg k OAAAA"),
        (get().with_size(), "mg k OAAAA s v"),
        (get().with_client_flags(), "mg k OAAAA f v"),
        (get().with_cas(), "mg k OAAAA c v"),
        (get().with_ttl(), "mg k OAAAA v t"),
        (get().with_hit_before(), "mg k OAAAA h v"),
        (get().with_last_access(), "mg k OAAAA l v"),
        (get().no_bump(), "mg k OAAAA u v"),
        (get().quiet(), "mg k OAAAA q v"),
        (get().touch(Ttl::seconds(60)), "mg k OAAAA T60 v"),
        (get().touch(Ttl::NEVER), "mg k OAAAA T0 v"),
        (get().touch(Ttl::EXPIRED), "mg k OAAAA T-1 v"),
        (get().touch(Ttl::seconds(2_592_001)), "mg k OAAAA T1802592001 v"),
        (get().vivify(Ttl::seconds(30)), "mg k OAAAA N30 v"),
        (get().recache(Ttl::seconds(10)), "mg k OAAAA R10 v"),
        (get().vivify(Ttl::seconds(30)).override_cas(0), "mg k OAAAA N30 E0 v"),
        (get().unless_cas(u64::MAX), "mg k OAAAA C18446744073709551615 v"),
        (get().proxy_path("a/b").proxy_location("z1"), "mg k OAAAA Pa/b Lz1 v"),
        (Get::new(key("a b")), "mg YSBi OAAAA b v"),
        (Get::new(key("a b")).touch(Ttl::seconds(1)), "mg YSBi OAAAA b T1 v"),
    ];
    for (command, want) in cases {
        assert_eq!(wire(command), format!("{want}\r\n"));
    }
}

#[test]
fn without_opaques_nothing_is_left_of_a_plain_get_but_its_value() {
    let bare = peer(45).without_opaque();
    assert_eq!(wire_to(&bare, Get::new(key("k"))), "mg k v\r\n");
    assert_eq!(wire_to(&bare, Get::without_value(key("k"))), "mg k\r\n");
    // Before 1.6.18 a line must have a flag.
    let bare = peer(17).without_opaque();
    assert_eq!(wire_to(&bare, Get::without_value(key("k"))), "mg k s\r\n");
    assert_eq!(wire_to(&bare, Get::without_value(key("k")).with_cas()), "mg k c\r\n");
    let get = Get::without_value(key("k"));
    assert_eq!(answer_from(&bare, &get, b"HD s5\r\n").unwrap().unwrap(), Some(Got::default()));
    for value in ["", "hello", "a b", " ", "\r\n", "5 6 7"] {
        let input = format!("VA {}\r\n{value}\r\n", value.len());
        let got = answer_from(&bare, &Get::new(key("k")), input.as_bytes()).unwrap().unwrap().unwrap();
        assert_eq!(got, Got { value: Some(Bytes::from(value)), ..Got::default() });
        let input = format!("VA {} f7\r\n{value}\r\n", value.len());
        let get = Get::new(key("k")).with_client_flags();
        let got = answer_from(&bare, &get, input.as_bytes()).unwrap().unwrap().unwrap();
        assert_eq!(got, Got { value: Some(Bytes::from(value)), client_flags: Some(7), ..Got::default() });
    }
}

/// Every builder method, to be called in any order.
fn apply(get: Get, method: usize) -> Get {
    match method {
        0 => get.with_size(),
        1 => get.with_client_flags(),
        2 => get.with_cas(),
        3 => get.with_ttl(),
        4 => get.with_hit_before(),
        5 => get.with_last_access(),
        6 => get.no_bump(),
        7 => get.quiet(),
        8 => get.touch(Ttl::seconds(60)),
        9 => get.vivify(Ttl::seconds(30)),
        10 => get.recache(Ttl::seconds(10)),
        11 => get.override_cas(7),
        12 => get.unless_cas(9),
        13 => get.proxy_path("p"),
        _ => get.proxy_location("l"),
    }
}

const ALL: &str = "mg YSBi OAAAA b R10 T60 N30 C9 E7 q u Pp Ll s f c h l v t\r\n";

proptest! {
    #[test]
    fn the_order_of_flags_is_not_that_of_the_builder(order in Just((0..15).collect::<Vec<_>>()).prop_shuffle()) {
        let get = order.into_iter().fold(Get::new(key("a b")), apply);
        prop_assert_eq!(wire(get), ALL);
    }
}

proptest! {
    #[test]
    fn the_shortcut_reads_what_the_long_way_reads(
        size in "[0-9]{1,2}",
        flags in "( OAAAA| OA AA| OAA\r\n| O| c5| W|  OAAAA)?",
        value in "[a-c\\r\\n]{0,12}",
    ) {
        let frame = || memlink_core::Frame::copy_from(format!("VA {size}{flags}\r\n{value}").as_bytes());
        let get = Get::new(key("k"));
        let (short, long) = (get.decode(Reply::One(frame())), get.decode_any(Reply::One(frame())));
        prop_assert_eq!(short.is_ok(), long.is_ok());
        if let (Ok(short), Ok(long)) = (short, long) {
            prop_assert_eq!(short, long);
        }
    }
}

#[test]
fn the_short_way_of_writing_writes_what_the_long_way_writes() {
    let written = |room: usize, write: &dyn Fn(&mut Encoder<'_>)| {
        memlink_core::encode_to_vec(|out| {
            // Room is given exactly: what other commands have left of it varies.
            out.buffer().reserve_exact(room);
            out.put(b"before ");
            write(out);
            out.put(b" behind");
        })
    };
    for len in [1, 7, 8, 14, 60, 61, 62, 250] {
        for get in [Get::new(key(&"k".repeat(len))), Get::new(key(&" ".repeat(len.min(186))))] {
            for peer in [peer(45), peer(17), peer(45).without_opaque()] {
                let serial = 0x12_3456;
                let long = written(0, &|out| drop(get.encode_all(&peer, serial, out)));
                for room in [0, 86, 87, 88, 1024] {
                    let short = written(room, &|out| drop(get.encode(&peer, serial, out)));
                    assert_eq!(short, long, "{get:?} in {room} bytes");
                }
                let (mut short, mut long) = (None, None);
                memlink_core::encode_to_vec(|out| {
                    out.reserve(1024);
                    short = Some(get.encode(&peer, serial, out));
                    long = Some(get.encode_all(&peer, serial, out));
                });
                assert_eq!(format!("{short:?}"), format!("{long:?}"));
            }
        }
    }
}

#[test]
fn all_flags_stand_in_the_order_of_the_table() {
    let letters: Vec<char> = ALL.split_ascii_whitespace().skip(2).map(|word| word.chars().next().unwrap()).collect();
    let table: Vec<char> = flags::FLAGS.iter().filter(|f| f.commands.contains('g')).map(|f| f.letter).collect();
    assert_eq!(letters, table);
}

#[test]
fn what_means_nothing_is_refused() {
    let get = || Get::new(key("k"));
    let cases = [
        (get().recache(Ttl::NEVER), "elects nobody"),
        (get().recache(Ttl::EXPIRED), "elects nobody"),
        (get().override_cas(7), "add vivify"),
        (Get::without_value(key("k")).unless_cas(7), "leaves out the value"),
        (get().unless_cas(0), "CAS id 0"),
        (get().touch(Ttl::seconds(0)), "Ttl::NEVER"),
        (get().touch(core::time::Duration::ZERO), "Ttl::NEVER"),
        (get().vivify(Ttl::at(u64::MAX)), "2038"),
        (get().proxy_path("a b"), "hint"),
        (get().proxy_path([b'x'; 33]), "hint"),
        (get().proxy_location("a\r\nmn"), "hint"),
    ];
    for (command, why) in cases {
        let said = invalid(command.clone()).to_string();
        assert!(said.contains(why), "{command:?}: {said}");
    }
}

#[test]
fn what_the_server_lacks_is_refused() {
    let get = || Get::new(key("k"));
    let cases = [(26, get().vivify(Ttl::NEVER).override_cas(1), "1.6.27"), (13, get().proxy_path("p"), "1.6.14")];
    for (patch, command, since) in cases {
        assert!(unsupported(patch, command.clone()).what.contains(since));
        command.check(&peer(patch + 1)).unwrap();
    }
    let said = get().quiet().check(&peer(45).without_opaque()).unwrap_err();
    assert!(said.what.contains("opaque"));
}

#[test]
fn replies_are_read_into_what_was_asked_for() {
    let all =
        Get::new(key("k")).with_size().with_client_flags().with_cas().with_hit_before().with_last_access().with_ttl();
    let got = answer(&all, "VA 5 OAAAA s5 f4294967295 c18446744073709551615 h1 l3600 t-1 W X\r\nhello\r\n").unwrap();
    let want = Got {
        value: Some("hello".into()),
        size: Some(5),
        client_flags: Some(u32::MAX),
        cas: Some(u64::MAX),
        ttl: Some(TtlLeft::Never),
        hit_before: Some(true),
        last_access: Some(3_600),
        won: true,
        stale: true,
        already_won: false,
        unchanged: false,
    };
    assert_eq!(got, Some(want));
    let first_hit = answer(&all, "VA 1 OAAAA h0\r\nv\r\n").unwrap().unwrap();
    assert_eq!(first_hit.hit_before, Some(false));
    assert!(answer_from(&peer(45), &all, b"VA 1 OAAAA h2\r\nv\r\n").is_err());

    let value = |text: &'static str| Some(Got { value: Some(text.into()), ..Got::default() });
    let get = Get::new(key("k"));
    let cases = [
        ("EN OAAAA\r\n", None),
        ("EN OAAAA \r\n", None),
        ("VA 0 OAAAA\r\n\r\n", value("")),
        ("VA 2 OAAAA\r\n\r\n\r\n", value("\r\n")),
        ("VA 4 OAAAA\r\nEN\r\n\r\n", value("EN\r\n")),
        ("VA 1  OAAAA  \r\nx\r\n", value("x")),
        ("VA 01 OAAAA\r\nx\r\n", value("x")),
        ("VA 1 Q17 OAAAA z\r\nx\r\n", value("x")),
        ("VA 0 OAAAA W\r\n\r\n", Some(Got { won: true, ..value("").unwrap() })),
        ("VA 1 OAAAA Z X\r\nx\r\n", Some(Got { stale: true, already_won: true, ..value("x").unwrap() })),
        ("VA 1 OAAAA X Z\r\nx\r\n", Some(Got { stale: true, already_won: true, ..value("x").unwrap() })),
    ];
    for (input, want) in cases {
        assert_eq!(answer(&get, input).unwrap(), want, "{input:?}");
    }
}

#[test]
fn the_time_left_is_read_as_the_server_prints_it() {
    let get = Get::without_value(key("k")).with_ttl();
    let cases = [
        ("-1", TtlLeft::Never),
        ("0", TtlLeft::Seconds(0)),
        ("59", TtlLeft::Seconds(59)),
        ("2147483647", TtlLeft::Seconds(2_147_483_647)),
        ("4294967294", TtlLeft::Seconds(0)),
    ];
    for (token, want) in cases {
        let got = answer(&get, format!("HD OAAAA t{token}\r\n")).unwrap().unwrap();
        assert_eq!(got.ttl, Some(want), "{token}");
    }
}

#[test]
fn numbers_that_are_none_are_malformed() {
    let get = Get::without_value(key("k"));
    for flag in
        ["s", "s-1", "sx", "f1x", "c", "c99999999999999999999", "t", "t-2", "tx", "t4294967296", "h", "h2", "l-1"]
    {
        let input = format!("HD OAAAA {flag}\r\n");
        assert!(answer_from(&peer(45), &get, input.as_bytes()).is_err(), "{flag}");
    }
}

#[test]
fn client_flags_of_64_bits_cost_the_answer_and_not_the_connection() {
    let get = Get::new(key("k")).with_client_flags();
    let fault = answer(&get, "VA 1 OAAAA f4294967296\r\nx\r\n").unwrap_err();
    assert_eq!(fault.kind(), FaultKind::LargeClientFlags);
}

#[test]
fn an_unchanged_item_is_told_alike_by_old_and_new_servers() {
    let get = Get::new(key("k")).unless_cas(7);
    let bare = Got { unchanged: true, ..Got::default() };
    let unchanged = Some(bare.clone());
    let changed = Some(Got { value: Some("x".into()), ..Got::default() });

    let new = peer(40);
    assert_eq!(wire_to(&new, get.clone()), "mg k OAAAA C7 v\r\n");
    assert_eq!(answer_from(&new, &get, b"HD OAAAA\r\n").unwrap().unwrap(), unchanged);
    assert_eq!(answer_from(&new, &get, b"VA 1 OAAAA\r\nx\r\n").unwrap().unwrap(), changed);

    let old = peer(39);
    assert_eq!(wire_to(&old, get.clone()), "mg k OAAAA c v\r\n");
    assert_eq!(answer_from(&old, &get, b"VA 1 OAAAA c7\r\nx\r\n").unwrap().unwrap(), unchanged);
    assert_eq!(answer_from(&old, &get, b"VA 1 OAAAA c8\r\nx\r\n").unwrap().unwrap(), changed);

    let get = get.with_cas();
    assert_eq!(wire_to(&new, get.clone()), "mg k OAAAA C7 c v\r\n");
    assert_eq!(wire_to(&old, get.clone()), "mg k OAAAA c v\r\n");
    let unchanged = Some(Got { cas: Some(7), ..bare });
    assert_eq!(answer_from(&new, &get, b"HD OAAAA c7\r\n").unwrap().unwrap(), unchanged);
    assert_eq!(answer_from(&old, &get, b"VA 1 OAAAA c7\r\nx\r\n").unwrap().unwrap(), unchanged);
}

#[test]
fn silence_is_a_miss_only_when_it_was_asked_for() {
    assert_eq!(Get::new(key("k")).quiet().decode(Reply::Silence).unwrap().unwrap(), None);
    assert!(Get::new(key("k")).decode(Reply::Silence).is_err());
}

#[test]
fn a_long_value_is_not_copied() {
    let mut bytes = b"VA 100 OAAAA\r\n".to_vec();
    bytes.resize(114, b'x');
    let bytes = Bytes::from(bytes);
    let place = bytes.as_ptr() as usize + 14;
    let got = Get::new(key("k")).decode(Reply::One(bytes.into())).unwrap().unwrap().unwrap();
    let value = got.value.unwrap();
    assert_eq!((value.as_ptr() as usize, value.len()), (place, 100));
}
