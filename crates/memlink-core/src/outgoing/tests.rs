use super::*;

fn outgoing(commands: &[(&str, Option<&'static [u8]>)]) -> Outgoing<usize> {
    let mut outgoing = Outgoing::new();
    for (n, (line, value)) in commands.iter().enumerate() {
        let encode = |out: &mut Encoder<'_>| {
            out.put(line.as_bytes());
            if let Some(value) = value {
                out.put_value(&Bytes::from_static(value));
                out.put(b"\r\n");
            }
            n
        };
        assert!(outgoing.push(n as u64, encode, || Some(Token::OPENING)).is_some());
    }
    outgoing
}

fn rest(transmit: &Transmit<usize>) -> Vec<u8> {
    let mut slices = [&[][..]; 64];
    let filled = transmit.slices(&mut slices);
    slices[..filled].concat()
}

static LARGE: [u8; Encoder::SHARED_MIN] = [b'v'; Encoder::SHARED_MIN];

#[test]
fn of_what_is_sent_only_lengths_are_shown() {
    let hides = |shown: &str| !["vvv", "118, 118", "set a", "115, 101, 116"].iter().any(|part| shown.contains(part));
    let mut outgoing = outgoing(&[("set a\r\n", Some(&LARGE)), ("set a\r\n", Some(b"vvvvvv"))]);
    let shown = alloc::format!("{outgoing:?}");
    assert!(hides(&shown) && shown.contains("len: 16408"), "{shown}");
    let mut transmit = Transmit::default();
    outgoing.take(0, &mut transmit);
    assert!(hides(&alloc::format!("{transmit:?}")), "{transmit:?}");
    transmit.discard_bodies();
    let shown = alloc::format!("{transmit:?}");
    assert!(hides(&shown) && shown.contains("1 values"), "{shown}");
    let (mut bytes, mut bodies) = (b"set a\r\n".to_vec(), Vec::new());
    let mut encoder = Encoder::new(&mut bytes, &mut bodies);
    encoder.put(b"set a\r\n");
    encoder.put_value(&Bytes::from_static(&LARGE));
    assert_eq!(alloc::format!("{encoder:?}"), "Encoder { len: 16391, .. }");
}

#[test]
fn large_values_are_written_in_their_place() {
    let mut outgoing = outgoing(&[("a ", Some(&LARGE)), ("b\r\n", None), ("c ", Some(&LARGE))]);
    let mut transmit = Transmit::default();
    outgoing.take(0, &mut transmit);
    let whole = [b"a ", &LARGE[..], b"\r\nb\r\nc ", &LARGE[..], b"\r\n"].concat();
    assert_eq!(rest(&transmit), whole);
    for cut in [1, 2, 3, LARGE.len() + 1, LARGE.len() + 5, whole.len() - 1] {
        let mut outgoing = self::outgoing(&[("a ", Some(&LARGE)), ("b\r\n", None), ("c ", Some(&LARGE))]);
        let mut transmit = Transmit::default();
        outgoing.take(0, &mut transmit);
        transmit.advance(cut);
        assert_eq!(rest(&transmit), whole[cut..], "after {cut} bytes");
    }
}

#[test]
fn an_entry_is_started_with_its_first_byte() {
    let mut outgoing = outgoing(&[("aa", None), ("bb", None), ("cc", None)]);
    let mut transmit = Transmit::default();
    outgoing.take(0, &mut transmit);
    assert!(transmit.pop_started().is_none());
    transmit.advance(3);
    let started: Vec<_> = core::iter::from_fn(|| transmit.pop_started()).map(|entry| entry.expect).collect();
    assert_eq!(started, [0, 1]);
    assert_eq!(transmit.unstarted().1.count(), 1);
}

#[test]
fn what_nobody_waits_for_is_cut_and_the_rest_stays() {
    for drop in 0..3 {
        let mut outgoing = outgoing(&[("a ", Some(&LARGE)), ("b\r\n", None), ("c ", Some(&LARGE))]);
        let mut transmit = Transmit::default();
        outgoing.take(0, &mut transmit);
        assert_eq!(transmit.cut(|entry| entry.expect != drop), Cut { entries: 1, placed: 0 });
        let parts = [[b"a ", &LARGE[..], b"\r\n"].concat(), b"b\r\n".to_vec(), [b"c ", &LARGE[..], b"\r\n"].concat()];
        let left: Vec<_> = (0..3).filter(|n| *n != drop).collect();
        assert_eq!(rest(&transmit), left.iter().flat_map(|n| parts[*n].clone()).collect::<Vec<_>>());
        let mut end = 0;
        for (entry, n) in transmit.unstarted().1.zip(left) {
            assert_eq!((entry.expect, entry.start, entry.end), (n, end, end + parts[n].len()));
            end = entry.end;
        }
    }
}

#[test]
fn what_was_written_before_a_cut_leaves_no_value_behind() {
    let mut outgoing = outgoing(&[("a ", Some(&LARGE)), ("b\r\n", None)]);
    let mut transmit = Transmit::default();
    outgoing.take(0, &mut transmit);
    transmit.advance(LARGE.len() + 4);
    assert!(transmit.pop_started().is_some());
    assert_eq!(transmit.cut(|_| false).entries, 1);
    assert!(transmit.is_done() && transmit.first().is_empty() && transmit.is_contiguous());
    transmit.drop_cut();
    let written = transmit.written();
    for line in ["c\r\n", "d\r\n"] {
        let encode = |out: &mut Encoder<'_>| out.put(line.as_bytes());
        let mut next = Outgoing::new();
        next.recycle(core::mem::take(&mut transmit));
        assert!(
            next.push(
                1,
                |out| {
                    encode(out);
                    9
                },
                || Some(Token::OPENING)
            )
            .is_some()
        );
        next.take(written, &mut transmit);
        assert_eq!(rest(&transmit), line.as_bytes());
        transmit.advance(3);
        while transmit.pop_entry().is_some() {}
    }
}

#[test]
fn an_encoder_that_panics_or_writes_nothing_leaves_nothing_behind() {
    let mut outgoing = outgoing(&[("a\r\n", None)]);
    let panics = std::panic::AssertUnwindSafe(|| {
        let encode = |out: &mut Encoder<'_>| {
            out.put(b"half");
            out.put_value(&Bytes::from_static(&LARGE));
            panic!("on purpose")
        };
        outgoing.push(1, encode, || Some(Token::OPENING))
    });
    assert!(std::panic::catch_unwind(panics).is_err());
    assert!(outgoing.push(1, |_| 1, || Some(Token::OPENING)).is_none());
    assert!(
        outgoing
            .push(
                1,
                |out| {
                    out.put(b"b\r\n");
                    1
                },
                || Some(Token::OPENING)
            )
            .is_some()
    );
    let mut transmit = Transmit::default();
    outgoing.take(0, &mut transmit);
    assert_eq!((rest(&transmit), outgoing.len()), (b"a\r\nb\r\n".to_vec(), 0));
}

#[test]
fn a_chunk_is_closed_when_it_is_long_enough() {
    let line = "x".repeat(CHUNK_LEN - 1);
    let mut outgoing = outgoing(&[(&line, None), ("y", None), ("z", None)]);
    let mut transmit = Transmit::default();
    outgoing.take(0, &mut transmit);
    assert_eq!(transmit.remaining(), CHUNK_LEN);
    assert_eq!(outgoing.len(), 1);
    transmit.advance(CHUNK_LEN);
    while transmit.pop_entry().is_some() {}
    outgoing.take(transmit.written(), &mut transmit);
    assert_eq!((rest(&transmit), transmit.written()), (b"z".to_vec(), CHUNK_LEN as u64));
}
