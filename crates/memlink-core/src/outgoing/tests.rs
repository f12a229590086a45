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
    assert!(hides(&shown) && shown.contains("Chunk { len: 16408, bodies: 1, entries: [Entry {"), "{shown}");
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

/// An idle connection holds no buffers; what it has written it still knows.
#[test]
fn a_transmit_that_is_done_lets_go_of_its_buffers() {
    let mut outgoing = outgoing(&[("get a\r\n", None)]);
    let mut transmit = Transmit::default();
    outgoing.take(100, &mut transmit);
    transmit.advance(3);
    transmit.shrink();
    assert_eq!((transmit.written(), rest(&transmit)), (103, b" a\r\n".to_vec()));
    transmit.advance(4);
    assert!(transmit.is_done() && transmit.chunk.bytes.capacity() > 0);
    transmit.shrink();
    assert_eq!((transmit.written(), transmit.end(), transmit.chunk.bytes.capacity()), (107, 107, 0));
    assert_eq!(transmit.chunk.entries.capacity(), 0);
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

/// Commands that are taken, written and answered.
fn written(outgoing: &mut Outgoing<usize>) -> Transmit<usize> {
    let mut transmit = Transmit::default();
    outgoing.take(0, &mut transmit);
    transmit.advance(transmit.remaining());
    transmit.drop_cut();
    while transmit.pop_entry().is_some() {}
    transmit
}

/// How much memory the next command finds.
fn room(outgoing: &mut Outgoing<usize>) -> usize {
    let mut room = 0;
    let nothing = |out: &mut Encoder<'_>| {
        room = out.buffer().capacity();
        0
    };
    assert!(outgoing.push(0, nothing, || Some(Token::OPENING)).is_none());
    room
}

#[test]
fn written_slice_by_slice_it_is_the_whole_and_no_slice_is_empty() {
    let whole = [b"a ", &LARGE[..], b"\r\n", &LARGE[..], b"\r\n"].concat();
    // A write of no bytes would look like a socket that is closed.
    for step in [1, 2, 3, LARGE.len(), usize::MAX] {
        let mut outgoing = outgoing(&[("a ", Some(&LARGE)), ("", Some(&LARGE))]);
        let (mut transmit, mut sent) = (Transmit::default(), Vec::new());
        outgoing.take(0, &mut transmit);
        assert!(!transmit.is_contiguous());
        while !transmit.is_done() {
            let mut slices = [&[][..]; 8];
            let filled = transmit.slices(&mut slices);
            assert!(slices[..filled].iter().all(|slice| !slice.is_empty()), "after {} bytes", sent.len());
            let n = transmit.first().len().min(step);
            assert!(n > 0, "after {} bytes", sent.len());
            sent.extend_from_slice(&transmit.first()[..n]);
            transmit.advance(n);
        }
        assert_eq!(sent, whole);
    }
}

#[test]
fn without_large_values_the_first_slice_is_all_that_is_left() {
    let mut outgoing = outgoing(&[("a ", Some(b"value")), ("b\r\n", None)]);
    let mut transmit = Transmit::default();
    outgoing.take(0, &mut transmit);
    for n in 0..=12 {
        assert!(transmit.is_contiguous());
        assert_eq!(transmit.first(), &b"a value\r\nb\r\n"[n..]);
        transmit.advance(1);
    }
    assert!(transmit.first().is_empty() && transmit.is_done());
}

#[test]
fn the_buffer_of_what_was_written_serves_what_comes_next_up_to_128_kib() {
    for (len, is_kept) in [(100, true), (100_000, true), (128 * 1024, true), (128 * 1024 + 1, false)] {
        let mut outgoing = outgoing(&[(&"x".repeat(len), None)]);
        let transmit = written(&mut outgoing);
        assert_eq!(room(&mut outgoing), 0);
        outgoing.recycle(transmit);
        assert_eq!(room(&mut outgoing), if is_kept { len } else { 0 });
    }
}

#[test]
fn two_buffers_take_turns() {
    let mut outgoing = outgoing(&[(&"x".repeat(1_000), None)]);
    let mut transmit = Transmit::default();
    for round in 0..5 {
        outgoing.take(transmit.written(), &mut transmit);
        // While these are written others come.
        let expected = if round == 0 { 0 } else { 1_000 };
        assert_eq!(room(&mut outgoing), expected, "round {round}");
        let line = [b'y'; 1_000];
        assert!(outgoing.push(1, |out| (out.put(&line), 1).1, || Some(Token::OPENING)).is_some());
        transmit.advance(transmit.remaining());
    }
}

#[test]
fn a_buffer_that_comes_back_takes_the_place_of_no_command() {
    let mut other = outgoing(&[("x", None)]);
    let mut outgoing = Outgoing::new();
    // It has no byte of its own in the buffer.
    let only_a_value = |out: &mut Encoder<'_>| {
        out.put_value(&Bytes::from_static(&LARGE));
        1
    };
    assert!(outgoing.push(1, only_a_value, || Some(Token::OPENING)).is_some());
    outgoing.recycle(written(&mut other));
    let mut transmit = Transmit::default();
    outgoing.take(0, &mut transmit);
    assert_eq!(rest(&transmit), LARGE);
}

#[test]
fn shrinking_lets_go_of_memory_and_of_no_command() {
    let mut outgoing = outgoing(&[("a\r\n", None)]);
    outgoing.shrink();
    let mut transmit = Transmit::default();
    outgoing.take(0, &mut transmit);
    assert_eq!(rest(&transmit), b"a\r\n");
    let mut outgoing = self::outgoing(&[(&"x".repeat(1_000), None)]);
    let transmit = written(&mut outgoing);
    outgoing.recycle(transmit);
    assert_eq!(room(&mut outgoing), 1_000);
    outgoing.shrink();
    assert_eq!(room(&mut outgoing), 0);
}
