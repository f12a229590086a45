//! Inputs made of others at random, from a seed: for machines that have no libFuzzer.

/// Marsaglia's xorshift with a multiplication behind it.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The same numbers for the same seed.
    #[must_use]
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// One below `n`, which is not 0.
    pub fn below(&mut self, n: usize) -> usize {
        (self.any() % n as u64) as usize
    }
}

/// Words of the protocols, and numbers at which something changes.
const WORDS: &[&[u8]] = &[
    b"VA ",
    b"HD",
    b"EN\r\n",
    b"NF",
    b"NS",
    b"EX",
    b"MN\r\n",
    b"ME ",
    b"OK\r\n",
    b"END\r\n",
    b"VALUE a 0 1\r\n",
    b"STAT a b\r\n",
    b"ERROR\r\n",
    b"CLIENT_ERROR x\r\n",
    b"SERVER_ERROR x\r\n",
    b"VERSION 1.6.45\r\n",
    b" OAAAC",
    b" OAAAD",
    b" OAAAE",
    b" OAAAF",
    b" c1",
    b" t-1",
    b" W",
    b" X",
    b" Z",
    b" s",
    b" v",
    b"\r\n",
    b"2147483647",
    b"18446744073709551616",
    b"mg ",
    b"ms ",
    b"md ",
    b"ma ",
    b"mn\r\n",
    b"me ",
    b"get ",
    b"set a 0 0 1\r\nx\r\n",
    b"*2\r\n",
    b"$3\r\n",
    b":1\r\n",
    b"+OK\r\n",
    b"-ERR x\r\n",
    b"%1\r\n",
    b"|1\r\n",
    b">2\r\n",
    b"$-1\r\n",
    b"_\r\n",
    b"?",
    b"&",
    b"=",
    b"@",
    b"%41",
    b"//",
    b"weight=a*2",
    b"tls_ca=",
    b"timeout_ms=1",
    b"\0",
    b"\xff",
    b"\x7f",
];

/// Changes `input` in one to six places. `others` are inputs to take pieces from.
pub fn mutate(random: &mut Random, input: &mut Vec<u8>, others: &[Vec<u8>], len_max: usize) {
    for _ in 0..=random.below(6) {
        let at = random.below(input.len() + 1);
        match random.below(9) {
            0 | 1 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            2 | 3 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte = random.any() as u8;
                }
            }
            4 => input.insert(at, random.any() as u8),
            5 => drop(input.drain(at..(at + 1 + random.below(8)).min(input.len()).max(at))),
            6 => drop(input.splice(at..at, WORDS[random.below(WORDS.len())].iter().copied())),
            7 => {
                let to = (at + random.below(20)).min(input.len());
                let piece = input.get(at..to).unwrap_or_default().to_vec();
                drop(input.splice(at..at, piece));
            }
            _ => {
                let Some(other) = others.get(random.below(others.len().max(1))) else { continue };
                let from = random.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(other.get(from..).unwrap_or_default());
            }
        }
    }
    input.truncate(len_max);
}
