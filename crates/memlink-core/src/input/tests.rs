use alloc::format;

use super::*;

const KIB: usize = 1024;

/// Distinct enough: bytes that are lost, doubled or exchanged are noticed.
fn stream(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n % 251) as u8).collect()
}

/// How much one read of a socket would be given.
fn room(input: &mut Input) -> usize {
    input.read_with(|space| space.chunk_mut().len())
}

/// One read of a socket that has `bytes`: gives how many it took.
fn read(input: &mut Input, bytes: &[u8]) -> usize {
    let n = input.read_with(|space| {
        let n = space.chunk_mut().len().min(bytes.len());
        space.put_slice(&bytes[..n]);
        n
    });
    input.note_read(n);
    n
}

fn read_all(input: &mut Input, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        bytes = &bytes[read(input, bytes)..];
    }
}

/// Reads a reply and takes it: its first ten bytes announce all of it.
fn receive(input: &mut Input, reply: &[u8]) -> Frame {
    read_all(input, &reply[..10]);
    input.expect(reply.len(), 0);
    read_all(input, &reply[10..]);
    input.take(reply.len(), 2)
}

/// How much memory a frame keeps, once nobody else has it.
fn kept(frame: Frame) -> usize {
    frame.into_bytes_from(0).try_into_mut().expect("nobody else has it").capacity()
}

fn many(reply: Option<Reply>) -> Vec<Frame> {
    match reply {
        Some(Reply::Many(parts)) => parts,
        other => panic!("{other:?}"),
    }
}

// ---- room for reads ----

#[test]
fn reads_double_up_to_64_kib_while_they_are_filled() {
    let mut input = Input::new();
    for kib in [4, 8, 16, 32, 64, 64, 64] {
        // What is free is used up first, if it is half of it.
        let room = room(&mut input);
        assert!((kib * KIB / 2..=kib * KIB).contains(&room), "{room} of {kib} KiB");
        read(&mut input, &stream(room));
        // All but the beginning of the next reply is handed over.
        input.take(input.available() - 1, 0);
    }
}

#[test]
fn a_read_that_is_not_filled_leaves_the_next_as_it_is() {
    let mut input = Input::new();
    for _ in 0..9 {
        read(&mut input, &stream(1_000));
        input.take(999, 0);
        assert!(room(&mut input) <= 4 * KIB);
    }
}

#[test]
fn what_was_all_handed_over_leaves_the_whole_room() {
    let mut input = Input::new();
    read(&mut input, &stream(1_000));
    assert_eq!(room(&mut input), 3_096);
    input.take(1_000, 0);
    assert_eq!(room(&mut input), 4_096);
}

#[test]
fn a_read_is_given_half_of_its_length_at_least() {
    for (unframed, expected) in [(2_047, 2_049), (2_049, 4_096), (4_000, 4_096)] {
        let mut input = Input::new();
        read(&mut input, &stream(unframed));
        assert_eq!(room(&mut input), expected, "behind {unframed} bytes");
        assert_eq!(input.unframed(), stream(unframed));
    }
}

#[test]
fn reads_grow_though_replies_end_where_they_end() {
    let mut input = Input::new();
    for kib in [4, 8, 16, 32, 64, 64] {
        assert_eq!(room(&mut input), kib * KIB);
        read(&mut input, &stream(kib * KIB));
        input.take(kib * KIB, 0);
    }
}

// ---- large replies ----

#[test]
fn a_reply_is_all_its_bytes_and_the_next_begins_behind_it() {
    for len in [12, 5_000, 16 * KIB, 30_000, 300_000] {
        for behind in [0, 1, 256, 257, 9_000] {
            let (stream, mut input) = (stream(len + behind), Input::new());
            read_all(&mut input, &stream[..10]);
            input.expect(len, 0);
            read_all(&mut input, &stream[10..]);
            assert_eq!(input.take(len, 2).as_slice(), &stream[..len - 2], "{len}");
            assert_eq!(input.unframed(), &stream[len..], "{len} and {behind} behind it");
        }
    }
}

#[test]
fn from_16_kib_on_a_reply_is_read_whole_and_with_the_header_behind_it() {
    for (total, is_large) in [(4_200, false), (16 * KIB - 1, false), (16 * KIB, true), (50_000, true)] {
        let mut input = Input::new();
        read(&mut input, &stream(10));
        input.expect(total, 0);
        let expected = if is_large { total + 256 - 10 } else { 4 * KIB - 10 };
        assert_eq!(room(&mut input), expected, "{total}");
    }
}

#[test]
fn a_reply_that_has_nearly_come_goes_on_in_the_buffer() {
    for (lacks, is_large) in [(4 * KIB - 1, false), (4 * KIB, true)] {
        let (reply, mut input) = (stream(20_000), Input::new());
        read_all(&mut input, &reply[..20_000 - lacks]);
        input.expect(20_000, 0);
        assert_eq!(room(&mut input) == lacks + 256, is_large, "{lacks}");
        assert_eq!(input.unframed(), &reply[..20_000 - lacks]);
    }
}

#[test]
fn a_large_reply_that_is_whole_takes_no_more() {
    let (stream, mut input) = (stream(20_100), Input::new());
    read_all(&mut input, &stream[..10]);
    input.expect(20_000, 0);
    read_all(&mut input, &stream[10..20_000]);
    assert!(room(&mut input) >= 4 * KIB, "what follows is read as if it were alone");
    read_all(&mut input, &stream[20_000..]);
    assert_eq!(input.unframed(), &stream[..20_000]);
    input.take(20_000, 0);
    assert_eq!(input.unframed(), &stream[20_000..]);
}

#[test]
fn a_reply_that_turns_out_longer_goes_on_where_it_is() {
    // All that was read behind it belongs to it, or some.
    for total in [60_000, 26_000, 24_500] {
        let (stream, mut input) = (stream(60_000), Input::new());
        read_all(&mut input, &stream[..10]);
        input.expect(20_000, 0);
        read_all(&mut input, &stream[10..20_000]);
        read_all(&mut input, &stream[20_000..26_000]);
        input.expect(total, 0);
        assert_eq!(input.unframed(), &stream[..total.min(26_000)], "and nothing of the next");
        if total > 26_000 {
            assert_eq!(room(&mut input), total + 256 - 26_000, "the rest of it is read at once");
        }
        read_all(&mut input, &stream[26_000..]);
        assert_eq!(input.take(total, 2).as_slice(), &stream[..total - 2]);
        assert_eq!(input.unframed(), &stream[total..]);
    }
}

#[test]
fn a_reply_that_turns_out_a_little_longer_goes_on_in_the_buffer() {
    let (stream, mut input) = (stream(23_000), Input::new());
    read_all(&mut input, &stream[..10]);
    input.expect(20_000, 0);
    read_all(&mut input, &stream[10..22_000]);
    input.expect(22_500, 0);
    assert_eq!(input.unframed(), &stream[..22_000]);
    read_all(&mut input, &stream[22_000..]);
    assert_eq!(input.take(22_500, 2).as_slice(), &stream[..22_498]);
    assert_eq!(input.unframed(), &stream[22_500..]);
}

#[test]
fn a_frame_keeps_twice_its_length_at_most() {
    for len in [17_000, 20_000, 24_999, 25_200, 49_000] {
        let (stream, mut input) = (stream(50_000), Input::new());
        read_all(&mut input, &stream[..10]);
        input.expect(50_000, 0);
        read_all(&mut input, &stream[10..]);
        let frame = input.take(len, 2);
        assert_eq!(frame.as_slice(), &stream[..len - 2]);
        assert_eq!(input.unframed(), &stream[len..], "what is left of the announced length is framed next");
        input.shrink();
        assert!(kept(frame) <= 2 * len, "{len}");
    }
}

#[test]
fn memory_of_a_large_reply_is_kept_until_eight_times_its_size_has_come() {
    let memory = 20_000 + 256;
    for (received, is_kept) in [(8 * memory, true), (8 * memory + 1, false)] {
        let mut input = Input::new();
        drop(receive(&mut input, &stream(20_000)));
        // Ten more bytes announce the next.
        for _ in 0..received - 10 {
            read(&mut input, b"x");
            input.take(1, 0);
        }
        let next = receive(&mut input, &stream(18_000));
        assert_eq!(next.as_slice(), &stream(17_998));
        input.shrink();
        assert_eq!(kept(next), if is_kept { memory } else { 18_000 + 256 }, "after {received}");
    }
}

// ---- replies of parts ----

#[test]
fn parts_small_and_large_come_in_their_order() {
    let lens = [10, 100, 40_000, 12, 17_000, 9_000, 9_000, 11];
    let (stream, mut input) = (stream(lens.iter().sum::<usize>() + 5), Input::new());
    let mut rest = &stream[..];
    for len in lens {
        let (part, behind) = rest.split_at(len);
        read_all(&mut input, &part[..10]);
        input.expect(len, 0);
        read_all(&mut input, &part[10..]);
        input.take_part(len, 2, usize::MAX);
        assert!(input.has_parts() && !input.is_empty() && input.unframed().is_empty());
        rest = behind;
    }
    read_all(&mut input, rest);
    let parts = many(input.take_reply(5, 2));
    assert!(input.is_empty());
    let mut rest = &stream[..];
    for (part, len) in parts.iter().zip(lens.into_iter().chain([5])) {
        let (expected, behind) = rest.split_at(len);
        assert_eq!(part.as_slice(), &expected[..len - 2]);
        rest = behind;
    }
    assert_eq!((parts.len(), rest), (lens.len() + 1, &[][..]));
}

#[test]
fn a_part_that_is_kept_keeps_its_neighbours_of_16_kib() {
    let mut input = Input::new();
    read_all(&mut input, &stream(40_003));
    for _ in 0..40 {
        input.take_part(1_000, 2, usize::MAX);
    }
    let mut parts = many(input.take_reply(3, 0));
    // Together they come out of the buffer, with one request for memory and not with forty.
    let first = parts.swap_remove(0);
    drop(parts);
    assert_eq!(kept(first), 17_000);
}

#[test]
fn the_list_of_parts_has_no_more_room_than_it_needs() {
    let mut input = Input::new();
    for _ in 0..100 {
        read_all(&mut input, &stream(10));
        input.take_part(10, 2, usize::MAX);
    }
    read_all(&mut input, b"end");
    let parts = many(input.take_reply(3, 0));
    assert_eq!((parts.len(), parts.capacity()), (101, 101));
}

#[test]
fn parts_may_hold_so_much_memory_and_no_more() {
    for lens in [[10, 10, 10], [20_000, 10, 10], [10, 20_000, 10], [10, 10, 20_000]] {
        let held = lens.iter().sum::<usize>() + 3 * size_of::<Frame>();
        // The limit is passed by the last part, or long before it.
        for (most, is_kept) in [(held, true), (held - 1, false), (50, false)] {
            let mut input = Input::new();
            for len in lens {
                read_all(&mut input, &stream(10));
                input.expect(len, 0);
                read_all(&mut input, &stream(len - 10));
                input.take_part(len, 2, most);
            }
            read_all(&mut input, b"end");
            assert_eq!(input.take_reply(3, 0).is_some(), is_kept, "{lens:?} within {most}");
            read_all(&mut input, b"next");
            let next = Some(Reply::One(Frame::copy_from(b"next")));
            assert_eq!(input.take_reply(4, 0), next, "the next reply is not touched by it");
        }
    }
}

#[test]
fn of_what_came_only_lengths_are_shown() {
    let mut input = Input::new();
    read_all(&mut input, b"secret");
    input.take_part(6, 0, usize::MAX);
    read_all(&mut input, b"secret 20000\r\n");
    input.expect(20_000, 0);
    let shown = format!("{input:?}");
    assert!(shown.contains("large: Some((14, 20000)), parts: [Frame(6 bytes)], received: 20"), "{shown}");
    assert!(!shown.contains("secret") && !shown.contains("115, 101"), "{shown}");
}
