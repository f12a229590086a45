//! The bytes that memlink would send, and how long their replies are.

use bytes::Bytes;
use memlink_core::encode_to_vec;
use memlink_meta::{Get, Key, MultiGet, Noop, Peer, Set, Verb, Version};

use crate::data::{self, Choices, Data, value_of};
use crate::workload::{Operation, Store, Workload};

/// A cycle of lines to be sent over and over, with the length of each and of its reply added up.
pub struct Prepared {
    bytes: Vec<u8>,
    /// Where each line ends, and where its reply does.
    line_ends: Vec<u64>,
    reply_ends: Vec<u64>,
    /// A line of many keys answers for all of them.
    pub operations_per_line: usize,
}

/// Lines of a cycle; a power of two, so that opaques go on where they began.
const LINES: usize = 4_096;

/// Long values are sent from fewer lines, which a client would not hold in its cache either.
const BYTES_MAX: usize = 4 << 20;

impl Prepared {
    pub fn new(workload: &Workload, lane: usize, classic: bool) -> Prepared {
        let data = Data::new(workload);
        let mut choices = Choices::new(lane);
        let operations_per_line = if classic { workload.operations_per_call() } else { 1 };
        let mut prepared =
            Prepared { bytes: Vec::new(), line_ends: Vec::new(), reply_ends: Vec::new(), operations_per_line };
        let mut replies = 0;
        while prepared.line_ends.len() < LINES && prepared.bytes.len() < BYTES_MAX {
            let serial = prepared.line_ends.len() as u64;
            let keys: Vec<usize> = (0..operations_per_line).map(|_| choices.key(&data)).collect();
            let stores = match workload.operation {
                Operation::Set => true,
                Operation::Mixed => choices.is_set(),
                _ => false,
            };
            let (line, reply_len) = match (classic, stores) {
                _ if workload.store == Store::Redis => redis_get(&data, keys[0]),
                (true, _) => classic_get(&data, &keys),
                (false, true) => set(&data, keys[0], serial),
                (false, false) => get(&data, keys[0], serial),
            };
            prepared.bytes.extend_from_slice(&line);
            replies += reply_len as u64;
            prepared.line_ends.push(prepared.bytes.len() as u64);
            prepared.reply_ends.push(replies);
        }
        prepared
    }

    /// How many lines are in flight for so many callers.
    pub fn depth(&self, callers: usize, workload: &Workload) -> usize {
        callers * workload.operations_per_call() / self.operations_per_line
    }

    /// Bytes of so many lines.
    pub fn asked_bytes(&self, lines: u64) -> u64 {
        added_up(&self.line_ends, lines)
    }

    /// Bytes of the replies to so many lines.
    pub fn answered_bytes(&self, lines: u64) -> u64 {
        added_up(&self.reply_ends, lines)
    }

    /// From a position on, as much as lies together and is wanted.
    pub fn slice(&self, from: u64, to: u64) -> &[u8] {
        let start = from as usize % self.bytes.len();
        let len = ((to - from) as usize).min(self.bytes.len() - start);
        &self.bytes[start..start + len]
    }
}

fn added_up(ends: &[u64], lines: u64) -> u64 {
    let (cycles, rest) = (lines / ends.len() as u64, lines as usize % ends.len());
    cycles * ends[ends.len() - 1] + if rest == 0 { 0 } else { ends[rest - 1] }
}

fn peer() -> Peer {
    Peer::new(Version::new(1, 6, 18))
}

fn key(key: &data::Key) -> Key {
    Key::new(key).expect("a key of plain text")
}

fn encoded(mut command: impl Verb, serial: u64) -> Vec<u8> {
    command.prepare(|| 0).expect("a plain command is sound");
    encode_to_vec(|out| drop(command.encode(&peer(), serial, out)))
}

fn get(data: &Data, number: usize, serial: u64) -> (Vec<u8>, usize) {
    let line = encoded(Get::new(key(&data.keys[number])), serial);
    (line, format!("VA {} OAAAA\r\n", data.value_len).len() + data.value_len + 2)
}

fn set(data: &Data, number: usize, serial: u64) -> (Vec<u8>, usize) {
    let value: Bytes = value_of(&data.keys[number], data.value_len);
    (encoded(Set::new(key(&data.keys[number]), value), serial), "HD OAAAA\r\n".len())
}

fn redis_get(data: &Data, number: usize) -> (Vec<u8>, usize) {
    let key = data.keys[number].as_str();
    let line = format!("*2\r\n$3\r\nGET\r\n${}\r\n{key}\r\n", key.len());
    (line.into_bytes(), format!("${}\r\n", data.value_len).len() + data.value_len + 2)
}

/// A line of many keys and the fence that memlink puts behind it.
fn classic_get(data: &Data, numbers: &[usize]) -> (Vec<u8>, usize) {
    let keys: Vec<Key> = numbers.iter().map(|number| key(&data.keys[*number])).collect();
    let mut line = encoded(MultiGet::new(keys), 0);
    line.extend(encoded(Noop, 0));
    let head = format!("VALUE {} 0 {}\r\n", data.keys[0].as_str(), data.value_len).len();
    (line, numbers.len() * (head + data.value_len + 2) + "END\r\nMN\r\n".len())
}
