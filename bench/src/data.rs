//! Keys and values. Every value tells which key it belongs to, so that a reply in the wrong place is found out.

use bytes::Bytes;

use crate::workload::{Operation, Workload};

/// Text of a key: fourteen bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key([u8; 14]);

/// All that the callers of a workload need, made before anything is measured.
pub struct Data {
    pub keys: Vec<Key>,
    /// A key that no server has.
    pub missing: Key,
    pub value_len: usize,
    /// For workloads that store: the value of each key.
    pub values: Vec<Bytes>,
    /// For workloads whose keys are not uniform: the order in which they are asked for.
    order: Vec<u32>,
}

impl Key {
    pub fn of(number: usize) -> Key {
        let mut text = [0; 14];
        text.copy_from_slice(format!("key:{number:010}").as_bytes());
        Key(text)
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("keys are text")
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// The value of a key: its text, then filler.
pub fn value_of(key: &Key, len: usize) -> Bytes {
    let mut value = vec![b'.'; len];
    value[..key.0.len()].copy_from_slice(&key.0);
    value.into()
}

impl Data {
    pub fn new(workload: &Workload) -> Data {
        let keys: Vec<Key> = (0..workload.keys).map(Key::of).collect();
        let values = match workload.has_sets() {
            true => keys.iter().map(|key| value_of(key, workload.value_len)).collect(),
            false => Vec::new(),
        };
        let order = match workload.operation {
            Operation::Mixed => zipf(workload.keys, 1 << 16),
            _ => Vec::new(),
        };
        let missing = Key::of(workload.keys);
        Data { keys, missing, value_len: workload.value_len, values, order }
    }

    /// Whether `value` is what belongs to `key`.
    #[inline]
    pub fn check(&self, key: &Key, value: &[u8]) -> Result<(), String> {
        match value.len() == self.value_len && value.starts_with(&key.0) && value.last() == Some(&b'.') {
            true => Ok(()),
            false => Err(format!("a wrong value of {} bytes for {}", value.len(), key.as_str())),
        }
    }
}

/// The choices of one caller, which are the same in every run.
pub struct Choices {
    random: u64,
}

impl Choices {
    pub fn new(caller: usize) -> Choices {
        Choices { random: 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(caller as u64 + 1) }
    }

    #[inline]
    fn next(&mut self) -> usize {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) as usize
    }

    /// The number of the next key.
    #[inline]
    pub fn key(&mut self, data: &Data) -> usize {
        let next = self.next();
        match data.order.is_empty() {
            true => next % data.keys.len(),
            false => data.order[next % data.order.len()] as usize,
        }
    }

    /// Whether the next operation of a mixed workload is a set.
    #[inline]
    pub fn is_set(&mut self) -> bool {
        self.next() % 10 == 9
    }
}

/// Key numbers with frequencies by Zipf's law with exponent 0.99, the popular ones spread over all numbers.
fn zipf(keys: usize, len: usize) -> Vec<u32> {
    let mut sum = 0.0;
    let sums: Vec<f64> = (1..=keys)
        .map(|rank| {
            sum += (rank as f64).powf(-0.99);
            sum
        })
        .collect();
    let mut choices = Choices::new(len);
    let pick = |_| {
        let at = choices.next() as f64 / (1_u64 << 31) as f64 * sum;
        let rank = sums.partition_point(|sum| *sum < at).min(keys - 1);
        (rank * 7_919 % keys) as u32
    };
    (0..len).map(pick).collect()
}
