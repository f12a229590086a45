use super::*;
use crate::testing::*;

fn up() -> Arithmetic {
    Arithmetic::increment(key("k"))
}

#[test]
fn every_option_has_its_flag() {
    let cases = [
        (up(), "ma k OAAAA"),
        (Arithmetic::decrement(key("k")), "ma k OAAAA MD"),
        (Arithmetic::increment(key("a b")), "ma YSBi OAAAA b"),
        (up().delta(1), "ma k OAAAA"),
        (up().delta(0), "ma k OAAAA D0"),
        (up().delta(u64::MAX), "ma k OAAAA D18446744073709551615"),
        (up().vivify(Ttl::NEVER), "ma k OAAAA N0"),
        (up().vivify(Ttl::seconds(60)).initial(5), "ma k OAAAA N60 J5"),
        (up().initial(5), "ma k OAAAA N0 J5"),
        (up().initial(5).touch(Ttl::seconds(60)), "ma k OAAAA T60 N60 J5"),
        (up().touch(Ttl::seconds(300)).vivify(Ttl::seconds(60)), "ma k OAAAA T300 N60"),
        (up().compare_cas(7), "ma k OAAAA C7"),
        (up().override_cas(0), "ma k OAAAA E0"),
        (up().with_ttl().with_value().with_cas(), "ma k OAAAA c v t"),
        (up().quiet(), "ma k OAAAA q"),
        (
            Arithmetic::decrement(key("a b"))
                .with_ttl()
                .with_cas()
                .with_value()
                .proxy_location("l")
                .proxy_path("p")
                .override_cas(4)
                .compare_cas(3)
                .initial(2)
                .delta(9)
                .vivify(Ttl::seconds(1))
                .touch(Ttl::seconds(2)),
            "ma YSBi OAAAA b T2 N1 MD D9 J2 C3 E4 Pp Ll c v t",
        ),
    ];
    for (command, want) in cases {
        assert_eq!(wire(command), format!("{want}\r\n"));
    }
}

#[test]
fn what_means_nothing_is_refused() {
    let cases = [
        (up().compare_cas(0), "CAS id 0"),
        (up().quiet().with_value(), "quiet"),
        (up().quiet().with_ttl(), "quiet"),
        (up().quiet().with_cas(), "quiet"),
        (up().touch(Ttl::seconds(0)), "Ttl::NEVER"),
    ];
    for (command, why) in cases {
        let said = invalid(command.clone()).to_string();
        assert!(said.contains(why), "{command:?}: {said}");
    }
    assert!(unsupported(26, up().override_cas(1)).what.contains("1.6.27"));
}

#[test]
fn replies_are_outcomes() {
    let none = |outcome| Counted { outcome, value: None, ttl: None, cas: None };
    let all = up().with_value().with_ttl().with_cas();
    let cases = [
        (
            "VA 2 OAAAA c7 t-1\r\n10\r\n",
            Counted { outcome: CountedOutcome::Done, value: Some(10), ttl: Some(TtlLeft::Never), cas: Some(7) },
        ),
        ("VA 2 OAAAA\r\n9 \r\n", Counted { value: Some(9), ..none(CountedOutcome::Done) }),
        ("NF OAAAA\r\n", none(CountedOutcome::NotFound)),
        ("EX OAAAA\r\n", none(CountedOutcome::Exists)),
        ("NS OAAAA\r\n", none(CountedOutcome::NotStored)),
    ];
    for (input, want) in cases {
        assert_eq!(answer(&all, input).unwrap(), want, "{input:?}");
    }
    assert_eq!(answer(&up(), "HD OAAAA\r\n").unwrap(), none(CountedOutcome::Done));
    for value in ["", "x", "-1", " 9", "1.5"] {
        let input = format!("VA {} OAAAA\r\n{value}\r\n", value.len());
        assert!(answer_from(&peer(45), &all, input.as_bytes()).is_err(), "{value:?}");
    }
    let fault = answer(&up(), "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n").unwrap_err();
    assert_eq!(fault.kind(), crate::FaultKind::NonNumeric);
    assert_eq!(up().quiet().decode(Reply::Silence).unwrap().unwrap(), none(CountedOutcome::Done));
    assert!(up().decode(Reply::Silence).is_err());
}
