use super::*;
use crate::testing::*;

fn delete() -> Delete {
    Delete::new(key("k"))
}

#[test]
fn every_option_has_its_flag() {
    let cases = [
        (delete(), "md k OAAAA"),
        (Delete::new(key("a b")), "md YSBi OAAAA b"),
        (delete().compare_cas(7), "md k OAAAA C7"),
        (delete().mark_stale(), "md k OAAAA I"),
        (delete().mark_stale().ttl(Ttl::seconds(30)), "md k OAAAA T30 I"),
        (delete().mark_stale().override_cas(0), "md k OAAAA E0 I"),
        (delete().drop_value(), "md k OAAAA x"),
        (delete().quiet(), "md k OAAAA q"),
        (
            delete()
                .quiet()
                .drop_value()
                .mark_stale()
                .override_cas(2)
                .compare_cas(1)
                .client_flags(3)
                .proxy_location("l")
                .proxy_path("p")
                .ttl(Ttl::NEVER),
            "md k OAAAA T0 F3 C1 E2 I x q Pp Ll",
        ),
    ];
    for (command, want) in cases {
        assert_eq!(wire(command), format!("{want}\r\n"));
    }
}

#[test]
fn what_means_nothing_is_refused() {
    let cases = [
        (delete().ttl(Ttl::seconds(1)), "leaves nothing that could have a time"),
        (delete().override_cas(1), "leaves nothing that could have a CAS id"),
        (delete().client_flags(1), "drop_value"),
        (delete().mark_stale().client_flags(1), "drop_value"),
        (delete().compare_cas(0), "CAS id 0"),
        (delete().proxy_path("\x7f"), "hint"),
    ];
    for (command, why) in cases {
        let said = invalid(command.clone()).to_string();
        assert!(said.contains(why), "{command:?}: {said}");
    }
}

#[test]
fn what_the_server_lacks_is_refused() {
    for command in [delete().drop_value(), delete().mark_stale().override_cas(1)] {
        assert!(unsupported(26, command.clone()).what.contains("1.6.27"));
        command.check(&peer(27)).unwrap();
    }
}

#[test]
fn replies_are_outcomes() {
    let cases = [
        ("HD OAAAA\r\n", DeleteOutcome::Deleted),
        ("NF OAAAA\r\n", DeleteOutcome::NotFound),
        ("EX OAAAA\r\n", DeleteOutcome::Exists),
        ("NS OAAAA\r\n", DeleteOutcome::NotStored),
    ];
    for (input, want) in cases {
        assert_eq!(answer(&delete(), input).unwrap(), want, "{input:?}");
    }
    assert!(answer(&delete(), "CLIENT_ERROR invalid flag\r\n").is_err());
    assert_eq!(delete().quiet().decode(Reply::Silence).unwrap().unwrap(), DeleteOutcome::Deleted);
    assert!(delete().decode(Reply::Silence).is_err());
}
