//! What of the codec is measured.

use std::hint::black_box;

use bytes::Bytes;
use memlink_core::{Ask, Command, Encoder, Frame, Limits, Protocol, Reply, encode_to_vec};
use memlink_meta::{Expect, Get, Key, Meta, Peer, Set, State, Version};

pub struct CodecCase {
    pub name: &'static str,
    pub run: fn(u64),
}

pub const CASES: &[CodecCase] = &[
    CodecCase { name: "check and copy a key of 14 bytes", run: key },
    CodecCase { name: "encode mg, opaque and copy of the key included", run: encode_get },
    CodecCase { name: "encode ms of 100 bytes, copy of the value included", run: encode_set },
    CodecCase { name: "frame HD", run: frame_hd },
    CodecCase { name: "frame VA 100", run: frame_va },
    CodecCase { name: "decode VA 100, sharing the frame", run: decode_shared },
    CodecCase { name: "decode VA 100, copied", run: decode_copied },
    CodecCase { name: "frame and decode VA 100, copied", run: frame_and_decode },
];

/// So many commands share a buffer, as in a batch.
const BATCH: u64 = 64;

fn peer() -> Peer {
    Peer::new(Version::new(1, 6, 45))
}

fn a_key() -> Key {
    Key::new("key:0000012345").expect("a plain key")
}

fn key(times: u64) {
    for _ in 0..times {
        drop(black_box(Key::new(black_box("key:0000012345"))));
    }
}

fn encode_get(times: u64) {
    encode(times, &Get::new(a_key()));
}

fn encode_set(times: u64) {
    encode(times, &Set::new(a_key(), vec![b'v'; 100]));
}

fn encode(times: u64, command: &impl Command<Meta, Output: Sized>) {
    let peer = peer();
    for batch in 0..times.div_ceil(BATCH) {
        let write = |out: &mut Encoder<'_>| {
            out.reserve(16 * 1024);
            for serial in batch * BATCH..(batch + 1) * BATCH {
                black_box(black_box(command).encode(&peer, serial, out));
            }
        };
        black_box(encode_to_vec(write));
    }
}

/// What the reply to a command with this number must look like.
fn expect(command: &impl Command<Meta>, serial: u64) -> Expect {
    let mut expect = None;
    encode_to_vec(|out| expect = Some(command.encode(&peer(), serial, out)));
    expect.expect("encoding says what is expected")
}

const HD: &[u8] = b"HD OAAAH\r\n";
const SERIAL: u64 = 7;

fn va() -> Vec<u8> {
    [b"VA 100 OAAAH\r\n", &[b'v'; 100][..], b"\r\n"].concat()
}

fn frame_hd(times: u64) {
    frame(times, &expect(&Set::new(a_key(), "v"), SERIAL), HD);
}

fn frame_va(times: u64) {
    frame(times, &expect(&Get::new(a_key()), SERIAL), &va());
}

fn frame(times: u64, expect: &Expect, reply: &[u8]) {
    let (meta, limits) = (Meta::new(), Limits::default());
    let mut state = State::default();
    for _ in 0..times {
        let ask = Some(Ask { expect: black_box(expect), serial: SERIAL });
        black_box(meta.frame(&mut state, ask, black_box(reply), &limits));
    }
}

fn decode_shared(times: u64) {
    let get = Get::new(a_key());
    let reply = va();
    let whole = Bytes::copy_from_slice(&reply[..reply.len() - 2]);
    for _ in 0..times {
        drop(black_box(get.decode(Reply::One(Frame::from(black_box(&whole).clone())))));
    }
}

fn decode_copied(times: u64) {
    let get = Get::new(a_key());
    let reply = va();
    for _ in 0..times {
        let frame = Frame::copy_from(&black_box(&reply)[..reply.len() - 2]);
        drop(black_box(get.decode(Reply::One(frame))));
    }
}

fn frame_and_decode(times: u64) {
    let get = Get::new(a_key());
    let (expect, reply) = (expect(&get, SERIAL), va());
    let (meta, limits) = (Meta::new(), Limits::default());
    let mut state = State::default();
    for _ in 0..times {
        let ask = Some(Ask { expect: black_box(&expect), serial: SERIAL });
        black_box(meta.frame(&mut state, ask, black_box(&reply), &limits));
        let frame = Frame::copy_from(&reply[..reply.len() - 2]);
        drop(black_box(get.decode(Reply::One(frame))));
    }
}
