//! What of the codec is measured.

use std::hint::black_box;

use bytes::Bytes;
use memlink_core::{Ask, Command, Encoder, Frame, Limits, Protocol, Reply, encode_to_vec};
use memlink_meta::{Delete, Expect, Get, Key, Meta, Peer, Set, State, Ttl, Version};

pub struct CodecCase {
    pub name: &'static str,
    pub run: fn(u64),
}

/// A row that begins with "of it" is a part of the row above it, measured by itself: what a bar leaves out can be taken off.
pub const CASES: &[CodecCase] = &[
    CodecCase { name: "check and copy a key of 14 bytes", run: key },
    CodecCase { name: "encode mg, opaque and copy of the key included", run: encode_get },
    CodecCase { name: "of it: copy of the key to the buffer", run: put_key },
    CodecCase { name: "encode mg, without an opaque", run: encode_get_without_opaque },
    CodecCase { name: "encode mg with T, c and f", run: encode_get_with_options },
    CodecCase { name: "encode ms of 100 bytes, copy of the value included", run: encode_set },
    CodecCase { name: "of it: copy of the value to the buffer", run: put_value },
    CodecCase { name: "encode md", run: encode_delete },
    CodecCase { name: "frame HD", run: frame_hd },
    CodecCase { name: "frame VA 100", run: frame_va },
    CodecCase { name: "frame VA 100, without an opaque", run: frame_va_without_opaque },
    CodecCase { name: "frame VA 100 with t, c and f", run: frame_va_with_flags },
    CodecCase { name: "decode HD of a set", run: decode_hd },
    CodecCase { name: "decode VA 100, sharing the frame", run: decode_shared },
    CodecCase { name: "of it: a clone of the frame", run: clone_frame },
    CodecCase { name: "decode VA 100, copied", run: decode_copied },
    CodecCase { name: "of it: allocation, copy and release", run: copy_frame },
    CodecCase { name: "frame and decode VA 100, copied", run: frame_and_decode },
    CodecCase { name: "build, move and drop a get", run: build },
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
        black_box(&Key::new(black_box("key:0000012345")));
    }
}

fn encode_get(times: u64) {
    encode(times, &peer(), &Get::new(a_key()));
}

fn encode_get_without_opaque(times: u64) {
    encode(times, &peer().without_opaque(), &Get::new(a_key()));
}

fn encode_get_with_options(times: u64) {
    encode(times, &peer(), &Get::new(a_key()).touch(Ttl::seconds(300)).with_cas().with_client_flags());
}

fn encode_set(times: u64) {
    encode(times, &peer(), &Set::new(a_key(), vec![b'v'; 100]));
}

fn encode_delete(times: u64) {
    encode(times, &peer(), &Delete::new(a_key()));
}

fn put_key(times: u64) {
    put(times, b"key:0000012345");
}

fn put_value(times: u64) {
    put(times, &[b'v'; 100]);
}

fn put(times: u64, bytes: &[u8]) {
    for _ in 0..times.div_ceil(BATCH) {
        black_box(encode_to_vec(|out| {
            out.reserve(16 * 1024);
            for _ in 0..BATCH {
                out.put(black_box(bytes));
            }
        }));
    }
}

fn encode(times: u64, peer: &Peer, command: &impl Command<Meta, Output: Sized>) {
    for batch in 0..times.div_ceil(BATCH) {
        let write = |out: &mut Encoder<'_>| {
            out.reserve(16 * 1024);
            for serial in batch * BATCH..(batch + 1) * BATCH {
                black_box(&black_box(command).encode(peer, serial, out));
            }
        };
        black_box(encode_to_vec(write));
    }
}

/// What the reply to a command with this number must look like.
fn expect(peer: &Peer, command: &impl Command<Meta>, serial: u64) -> Expect {
    let mut expect = None;
    encode_to_vec(|out| expect = Some(command.encode(peer, serial, out)));
    expect.expect("encoding says what is expected")
}

const HD: &[u8] = b"HD OAAAH\r\n";
const SERIAL: u64 = 7;

fn va() -> Vec<u8> {
    [b"VA 100 OAAAH\r\n", &[b'v'; 100][..], b"\r\n"].concat()
}

fn frame_hd(times: u64) {
    frame(times, &expect(&peer(), &Set::new(a_key(), "v"), SERIAL), HD);
}

fn frame_va(times: u64) {
    frame(times, &expect(&peer(), &Get::new(a_key()), SERIAL), &va());
}

fn frame_va_without_opaque(times: u64) {
    let reply = [b"VA 100\r\n", &[b'v'; 100][..], b"\r\n"].concat();
    frame(times, &expect(&peer().without_opaque(), &Get::new(a_key()), SERIAL), &reply);
}

fn frame_va_with_flags(times: u64) {
    let get = Get::new(a_key()).with_ttl().with_cas().with_client_flags();
    let reply = [b"VA 100 OAAAH f0 c123456 t86399\r\n", &[b'v'; 100][..], b"\r\n"].concat();
    frame(times, &expect(&peer(), &get, SERIAL), &reply);
}

fn frame(times: u64, expect: &Expect, reply: &[u8]) {
    let (meta, limits) = (Meta::new(), Limits::default());
    let mut state = State::default();
    for _ in 0..times {
        let ask = Some(Ask { expect: black_box(expect), serial: SERIAL });
        black_box(&meta.frame(&mut state, ask, black_box(reply), &limits));
    }
}

fn decode_shared(times: u64) {
    let get = Get::new(a_key());
    let reply = va();
    let whole = Bytes::copy_from_slice(&reply[..reply.len() - 2]);
    for _ in 0..times {
        black_box(&black_box(&get).decode(Reply::One(Frame::from(black_box(&whole).clone()))));
    }
}

fn clone_frame(times: u64) {
    let reply = va();
    let whole = Bytes::copy_from_slice(&reply[..reply.len() - 2]);
    for _ in 0..times {
        // Without its drop: letting go of the value is a part of decoding it.
        std::mem::forget(black_box(Reply::One(Frame::from(black_box(&whole).clone()))));
    }
}

fn decode_hd(times: u64) {
    let set = Set::new(a_key(), "v");
    for _ in 0..times {
        let frame = Frame::copy_from(&black_box(HD)[..HD.len() - 2]);
        let _ = black_box(&black_box(&set).decode(Reply::One(frame)));
    }
}

fn copy_frame(times: u64) {
    let reply = va();
    for _ in 0..times {
        black_box(&Reply::One(Frame::copy_from(&black_box(&reply)[..reply.len() - 2])));
    }
}

fn build(times: u64) {
    let key = a_key();
    for _ in 0..times {
        black_box(&Get::new(black_box(&key).clone()));
    }
}

fn decode_copied(times: u64) {
    let get = Get::new(a_key());
    let reply = va();
    for _ in 0..times {
        let frame = Frame::copy_from(&black_box(&reply)[..reply.len() - 2]);
        black_box(&black_box(&get).decode(Reply::One(frame)));
    }
}

fn frame_and_decode(times: u64) {
    let get = Get::new(a_key());
    let (expect, reply) = (expect(&peer(), &get, SERIAL), va());
    let (meta, limits) = (Meta::new(), Limits::default());
    let mut state = State::default();
    for _ in 0..times {
        let ask = Some(Ask { expect: black_box(&expect), serial: SERIAL });
        black_box(&meta.frame(&mut state, ask, black_box(&reply), &limits));
        let frame = Frame::copy_from(&reply[..reply.len() - 2]);
        black_box(&black_box(&get).decode(Reply::One(frame)));
    }
}
