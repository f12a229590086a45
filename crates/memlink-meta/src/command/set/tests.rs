use super::*;
use crate::testing::*;

fn set(mode: SetMode) -> Set {
    Set::with_mode(mode, key("k"), "val")
}

#[test]
fn every_option_has_its_flag() {
    let plain = || set(SetMode::Set);
    let cases = [
        (plain(), "ms k 3 OAAAA"),
        (Set::new(key("a b"), "val"), "ms YSBi 3 OAAAA b"),
        (set(SetMode::Add), "ms k 3 OAAAA ME"),
        (set(SetMode::Replace), "ms k 3 OAAAA MR"),
        (set(SetMode::Append), "ms k 3 OAAAA MA"),
        (set(SetMode::Prepend), "ms k 3 OAAAA MP"),
        (plain().mode(SetMode::Add), "ms k 3 OAAAA ME"),
        (plain().ttl(Ttl::seconds(60)), "ms k 3 OAAAA T60"),
        (plain().ttl(core::time::Duration::from_millis(500)), "ms k 3 OAAAA T1"),
        (plain().ttl(core::time::Duration::from_secs(2_592_001)), "ms k 3 OAAAA T1802592001"),
        (plain().client_flags(0), "ms k 3 OAAAA F0"),
        (plain().client_flags(u32::MAX), "ms k 3 OAAAA F4294967295"),
        (plain().compare_cas(7), "ms k 3 OAAAA C7"),
        (plain().compare_cas(7).invalidate(), "ms k 3 OAAAA C7 I"),
        (plain().override_cas(u64::MAX), "ms k 3 OAAAA E18446744073709551615"),
        (set(SetMode::Append).vivify(Ttl::seconds(9)).client_flags(3), "ms k 3 OAAAA N9 MA F3"),
        (plain().with_cas().with_size(), "ms k 3 OAAAA s c"),
        (plain().quiet(), "ms k 3 OAAAA q"),
        (
            plain()
                .with_cas()
                .with_size()
                .proxy_location("l")
                .proxy_path("p")
                .invalidate()
                .override_cas(2)
                .compare_cas(1)
                .client_flags(5)
                .mode(SetMode::Replace)
                .ttl(Ttl::EXPIRED),
            "ms k 3 OAAAA T-1 MR F5 C1 E2 I Pp Ll s c",
        ),
    ];
    for (command, want) in cases {
        assert_eq!(wire(command), format!("{want}\r\nval\r\n"));
    }
    assert_eq!(wire(Set::new(key("k"), "")), "ms k 0 OAAAA\r\n\r\n");
    assert_eq!(wire_to(&peer(45).without_opaque(), plain()), "ms k 3\r\nval\r\n");
}

#[test]
fn a_large_value_is_written_as_it_is() {
    let value = Bytes::from(vec![b'x'; 100_000]);
    let text = wire(Set::new(key("k"), value));
    assert!(text.starts_with("ms k 100000 OAAAA\r\nxxx"));
    assert_eq!(text.len(), 100_000 + 21);
    assert!(text.ends_with("xxx\r\n"));
}

#[test]
fn what_means_nothing_is_refused() {
    let cases = [
        (set(SetMode::Set).invalidate(), "add compare_cas"),
        (set(SetMode::Append).compare_cas(1).invalidate(), "set and replace"),
        (set(SetMode::Add).compare_cas(1), "no CAS id to compare"),
        (set(SetMode::Set).vivify(Ttl::NEVER), "append and prepend"),
        (set(SetMode::Replace).vivify(Ttl::NEVER), "append and prepend"),
        (set(SetMode::Append).ttl(Ttl::NEVER), "keep the time"),
        (set(SetMode::Append).vivify(Ttl::NEVER).ttl(Ttl::NEVER), "keep the time"),
        (set(SetMode::Prepend).client_flags(1), "keep the client flags"),
        (set(SetMode::Set).compare_cas(0), "CAS id 0"),
        (set(SetMode::Append).compare_cas(0), "CAS id 0"),
        (set(SetMode::Set).override_cas(0), "none given"),
        (set(SetMode::Set).quiet().with_cas(), "quiet"),
        (set(SetMode::Set).quiet().with_size(), "quiet"),
        (set(SetMode::Set).ttl(Ttl::seconds(0)), "Ttl::NEVER"),
        (set(SetMode::Set).proxy_path(" "), "hint"),
    ];
    for (command, why) in cases {
        let said = invalid(command.clone()).to_string();
        assert!(said.contains(why), "{command:?}: {said}");
    }
}

#[test]
fn what_the_server_lacks_is_refused() {
    let cases = [
        (12, set(SetMode::Set).with_cas()),
        (13, set(SetMode::Set).proxy_path("p")),
        (19, set(SetMode::Set).with_size()),
        (19, set(SetMode::Append).vivify(Ttl::NEVER)),
        (26, set(SetMode::Set).override_cas(1)),
    ];
    for (patch, command) in cases {
        assert!(unsupported(patch, command.clone()).what.contains(&format!("1.6.{}", patch + 1)));
        command.check(&peer(patch + 1)).unwrap();
    }
}

#[test]
fn replies_are_outcomes() {
    let command = set(SetMode::Set).with_cas().with_size();
    let none = |outcome| Stored { outcome, cas: None, size: None };
    let cases = [
        ("HD OAAAA s3 c7\r\n", Stored { outcome: SetOutcome::Stored, cas: Some(7), size: Some(3) }),
        ("HD OAAAA\r\n", none(SetOutcome::Stored)),
        ("NS OAAAA s3 c0\r\n", none(SetOutcome::NotStored)),
        ("EX OAAAA s3 c0\r\n", none(SetOutcome::Exists)),
        ("NF OAAAA s3 c0\r\n", none(SetOutcome::NotFound)),
        ("NF  OAAAA \r\n", none(SetOutcome::NotFound)),
    ];
    for (input, want) in cases {
        assert_eq!(answer(&command, input).unwrap(), want, "{input:?}");
    }
    let fault = answer(&command, "SERVER_ERROR object too large for cache\r\n").unwrap_err();
    assert_eq!(fault.kind(), crate::FaultKind::TooLarge);
    assert!(answer_from(&peer(45), &command, b"HD OAAAA cx\r\n").is_err());
    assert_eq!(command.clone().quiet().decode(Reply::Silence).unwrap().unwrap(), none(SetOutcome::Stored));
    assert!(command.decode(Reply::Silence).is_err());
}

#[test]
fn debug_shows_neither_key_nor_value() {
    let text = format!("{:?}", Set::new(key("secret-key"), "secret-value").proxy_path("secret-path"));
    assert!(!text.contains("secret"), "{text}");
}
