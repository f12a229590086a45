use super::*;

fn frame(text: &str) -> Frame {
    Frame::copy_from(text.as_bytes())
}

fn one(text: &str) -> Result<Value, Malformed> {
    read(Reply::One(frame(text)))
}

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

#[test]
fn every_type_is_read() {
    for (text, value) in [
        ("+OK\r\n", Value::Simple(bytes("OK"))),
        ("-ERR no\r\n", Value::Error(ServerError::new(b"ERR no"))),
        (":-42\r\n", Value::Int(-42)),
        (":+42\r\n", Value::Int(42)),
        ("$0\r\n\r\n", Value::Bulk(bytes(""))),
        ("$5\r\na\r\nb\n\r\n", Value::Bulk(bytes("a\r\nb\n"))),
        ("$-1\r\n", Value::Null),
        ("*-1\r\n", Value::Null),
        ("_\r\n", Value::Null),
        (",3.25\r\n", Value::Double(3.25)),
        (",-1.5e3\r\n", Value::Double(-1500.0)),
        (",inf\r\n", Value::Double(f64::INFINITY)),
        (",-inf\r\n", Value::Double(f64::NEG_INFINITY)),
        ("#t\r\n", Value::Bool(true)),
        ("#f\r\n", Value::Bool(false)),
        ("(-12345678901234567890\r\n", Value::BigNumber(bytes("-12345678901234567890"))),
        ("!6\r\nERR no\r\n", Value::Error(ServerError::new(b"ERR no"))),
        ("=7\r\nmkd:abc\r\n", Value::Verbatim { format: *b"mkd", text: bytes("abc") }),
        ("*2\r\n:1\r\n*0\r\n", Value::Array(vec![Value::Int(1), Value::Array(vec![])])),
        ("~1\r\n:1\r\n", Value::Set(vec![Value::Int(1)])),
        ("%1\r\n+k\r\n_\r\n", Value::Map(vec![(Value::Simple(bytes("k")), Value::Null)])),
        (">1\r\n+p\r\n", Value::Push(vec![Value::Simple(bytes("p"))])),
        ("|1\r\n+ttl\r\n:3600\r\n*1\r\n|0\r\n:7\r\n", Value::Array(vec![Value::Int(7)])),
    ] {
        assert_eq!(one(text), Ok(value), "{text:?}");
    }
    assert!(matches!(one(",nan\r\n"), Ok(Value::Double(number)) if number.is_nan()));
}

#[test]
fn what_is_framed_and_yet_makes_no_sense_is_malformed() {
    for text in [
        ":\r\n",
        ":x\r\n",
        ":99999999999999999999\r\n",
        ",x\r\n",
        "#x\r\n",
        "#\r\n",
        "_x\r\n",
        "(\r\n",
        "(-\r\n",
        "(1x\r\n",
        "=3\r\ntxt\r\n",
        "*2\r\n:1\r\n",
        "$5\r\nabc",
        "",
        "+OK",
    ] {
        assert!(one(text).is_err(), "{text:?}");
    }
    assert!(read(Reply::Silence).is_err());
    assert!(read(Reply::Many(Vec::new())).is_err());
}

/// Where the bytes of a value lie: within those of the reply, or elsewhere.
fn lies_within(value: &Bytes, whole: &Bytes) -> bool {
    whole.as_ptr_range().contains(&value.as_ptr())
}

#[test]
fn a_large_value_is_not_copied_and_a_small_one_keeps_nothing_alive() {
    let large = Bytes::from(format!("$100000\r\n{}\r\n", "x".repeat(100_000)));
    let Ok(Value::Bulk(alone)) = read(Reply::One(large.clone().into())) else { panic!("a string") };
    assert!(lies_within(&alone, &large) && alone.len() == 100_000);
    let small = Bytes::from(format!("$3\r\nabc\r\n{}", ":1\r\n".repeat(500)));
    let head = frame("*502\r\n");
    let Ok(Value::Array(values)) = read(Reply::Many(vec![head, large.clone().into(), small.clone().into()])) else {
        panic!("an array");
    };
    let [Value::Bulk(first), Value::Bulk(second), ..] = &values[..] else { panic!("{values:?}") };
    assert!(lies_within(first, &large), "copied");
    assert!(!lies_within(second, &small), "keeps 2,000 bytes alive for three");
}
