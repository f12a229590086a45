//! Random conversations: mostly sensible commands on a few keys, so that they
//! meet each other's items, and now and then nonsense.

use fastrand::Rng;
use memlink_testserver::Version;

/// The time when the scripts begin, for absolute deadlines.
fn unix_now() -> u64 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs())
}

/// Writes commands.
pub(crate) struct Script {
    rng: Rng,
    version: Version,
    now: u64,
    cas_guess: u64,
    /// What the last batch left of a line without an end.
    unfinished: Vec<u8>,
}

const PLAIN_KEYS: &[&str] = &["a", "b", "k1", "k2", "p:1", "p:2", "longer-key-that-is-plain"];
/// Some of these name the plain keys above, some are written badly.
const BASE64_KEYS: &[&str] = &["YQ==", "Yh==", "azE=", "a!zI=", "cDox", "AAEC/w==", "DQpNTg0K", "YQ", "====", "Z==="];
const VALUES: &[&str] = &[
    "",
    "0",
    "9",
    "10",
    "99",
    "5",
    "18446744073709551615",
    "18446744073709551616",
    "  12",
    "12  ",
    "+5",
    "-5",
    "-0",
    "1.5",
    "abc",
    "0x10",
    "007",
    "12 ab",
    "12ab",
    "some longer value of text",
];
const TIMES: &[&str] = &["0", "-1", "100", "1000", "5000", "2592000", "2592001", "90000", "-100"];
/// None of them is one of the times above: which of two equal ones ends first
/// depends on when the second turns.
const RECACHE_TIMES: &[&str] =
    &["0", "-1", "50", "500", "3000", "2000000", "-", "x", "", "99999999999999999999", "2592002"];
const BAD_NUMBERS: &[&str] = &[
    "",
    "x",
    "+7",
    "-",
    "1x",
    "4294967295",
    "4294967296",
    "4294967397",
    "2147483647",
    "2147483648",
    "-2147483648",
    "-2147483649",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999",
    "00000000100",
    "0000000000100",
    "000000000000000000000001",
    "-0",
];

impl Script {
    pub(crate) fn new(seed: u64, version: Version) -> Script {
        Script { rng: Rng::with_seed(seed), version, now: unix_now(), cas_guess: 1, unfinished: Vec::new() }
    }

    /// How many commands, then that many in one piece.
    pub(crate) fn batch(&mut self) -> (usize, Vec<u8>) {
        loop {
            let count = if self.chance(3) { self.rng.usize(2..30) } else { 1 };
            let mut bytes = Vec::new();
            for _ in 0..count {
                let mut command = self.command();
                if self.chance(25) {
                    self.spoil(&mut command);
                }
                bytes.extend_from_slice(&command);
            }
            if self.version == Version::V1_6_18 {
                bytes = without_huge_counters(&bytes);
            }
            let lines = [&self.unfinished[..], &bytes].concat();
            if !lines.split(|byte| *byte == b'\n').any(is_known_difference) {
                self.unfinished = lines.rsplit(|byte| *byte == b'\n').next().unwrap_or_default().to_vec();
                return (count, bytes);
            }
        }
    }

    fn command(&mut self) -> Vec<u8> {
        match self.rng.u32(0..100) {
            0..22 => self.meta_get(),
            22..46 => self.meta_set(),
            46..56 => self.meta_delete(),
            56..70 => self.meta_arithmetic(),
            70..72 => self.meta_debug(),
            72..79 => self.get(),
            79..88 => self.store(),
            88..91 => self.count(),
            91..94 => self.touch(),
            94..96 => self.delete(),
            _ => self.other(),
        }
    }

    fn chance(&mut self, one_in: u32) -> bool {
        self.rng.u32(0..one_in) == 0
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.rng.usize(0..from.len())]
    }

    /// A key, and whether it is base64.
    fn key(&mut self) -> (Vec<u8>, bool) {
        match self.rng.u32(0..60) {
            0..10 => (self.pick(BASE64_KEYS).into(), true),
            10 => (vec![b'x'; 250], false),
            11 => (vec![b'x'; 251], false),
            12 => (b"\x01\x7fk\t\xc2\xa0".to_vec(), false),
            13 => (b"nul\0key".to_vec(), false),
            14 => (b"AAAA".repeat(62), true),
            15 => (b"AAAA".repeat(63), true),
            _ => (self.pick(PLAIN_KEYS).into(), false),
        }
    }

    fn plain_key(&mut self) -> Vec<u8> {
        loop {
            let (key, _) = self.key();
            if key.len() <= 250 {
                return key;
            }
        }
    }

    fn time(&mut self) -> String {
        match self.rng.u32(0..20) {
            0 => self.pick(BAD_NUMBERS).to_owned(),
            1 => (self.now + 7000).to_string(),
            2 => (self.now - 7000).to_string(),
            _ => self.pick(TIMES).to_owned(),
        }
    }

    fn number(&mut self) -> String {
        match self.rng.u32(0..12) {
            0 => self.pick(BAD_NUMBERS).to_owned(),
            1 => u64::MAX.to_string(),
            2 => "0".to_owned(),
            _ => self.rng.u32(0..120).to_string(),
        }
    }

    /// Ids that were given out lately are likely to hit.
    fn cas(&mut self) -> String {
        self.cas_guess += 1;
        match self.rng.u32(0..8) {
            0 => self.number(),
            1 => "0".to_owned(),
            _ => (self.cas_guess.saturating_sub(self.rng.u64(0..12)) / 2).to_string(),
        }
    }

    /// Tells which ids the server is at, so that guesses hit.
    pub(crate) fn learn_cas(&mut self, reply: &[u8]) {
        for word in reply.split(|byte| byte.is_ascii_whitespace()) {
            let digits = word.strip_prefix(b"c").map(String::from_utf8_lossy);
            if let Some(cas) = digits.and_then(|digits| digits.parse::<u64>().ok())
                && cas > 0
                && cas < 1_000_000
            {
                self.cas_guess = cas * 2 + 1;
            }
        }
    }

    fn flags(&mut self, letters: &str, base64: bool, many: usize) -> Vec<u8> {
        let mut letters: Vec<char> = letters.chars().collect();
        self.rng.shuffle(&mut letters);
        let count = self.rng.usize(0..=many.min(letters.len()));
        letters.truncate(count);
        if base64 && !self.chance(10) {
            letters.retain(|letter| *letter != 'b');
            letters.insert(self.rng.usize(0..=letters.len()), 'b');
        }
        if self.chance(40)
            && let Some(letter) = letters.first().copied()
        {
            letters.push(letter);
        }
        let mut out = Vec::new();
        for letter in letters {
            out.push(b' ');
            if self.chance(50) {
                out.push(b' ');
            }
            out.extend_from_slice(letter.to_string().as_bytes());
            let token = match letter {
                'T' | 'N' => self.time(),
                'R' => self.pick(RECACHE_TIMES).to_owned(),
                'F' | 'D' | 'J' => self.number(),
                'C' => self.cas(),
                'E' => self.rng.u32(0..400).to_string(),
                'M' => self.pick(&["S", "E", "A", "P", "R", "I", "D", "+", "-", "", "X", "SET", "e"]).to_owned(),
                'O' => self.opaque(),
                'P' | 'L' => "proxy-stuff".to_owned(),
                _ if self.chance(60) => "junk".to_owned(),
                _ => String::new(),
            };
            out.extend_from_slice(token.as_bytes());
        }
        out
    }

    fn opaque(&mut self) -> String {
        let len = match self.rng.u32(0..12) {
            0 => 0,
            1 => 31,
            2 => 32,
            _ => self.rng.usize(1..9),
        };
        (0..len).map(|_| self.rng.alphanumeric()).collect()
    }

    fn line_end(&mut self) -> &'static [u8] {
        match self.rng.u32(0..30) {
            0 => b"\n",
            1 => b" \r\n",
            2 => b"  \n",
            _ => b"\r\n",
        }
    }

    fn meta(&mut self, name: &str, letters: &str) -> Vec<u8> {
        let (key, base64) = self.key();
        let many = if self.chance(20) { 22 } else { 7 };
        let flags = self.flags(letters, base64, many);
        let end = self.line_end();
        [name.as_bytes(), b" ", &key, &flags, end].concat()
    }

    fn meta_get(&mut self) -> Vec<u8> {
        let letters = if self.chance(12) { "vstcfhlukqTNRECOPLFDJMIxb" } else { "vvstcfhukqTNRECO" };
        self.meta("mg", &dedup(letters))
    }

    fn meta_delete(&mut self) -> Vec<u8> {
        let letters = if self.chance(12) { "vstcfhlukqTNRECOPLFDJMIxb" } else { "qITxCEkOF" };
        self.meta("md", letters)
    }

    fn meta_arithmetic(&mut self) -> Vec<u8> {
        let letters = if self.chance(12) { "vstcfhlukqTNRECOPLFDJMIxb" } else { "vctqTNDJMCEkO" };
        self.meta("ma", letters)
    }

    fn meta_debug(&mut self) -> Vec<u8> {
        let (key, base64) = self.key();
        // memcached 1.6.45 overlooks a `b` that stands alone.
        let flag: &[u8] = if base64 { b" b x" } else { b"" };
        [b"me ", &key[..], flag, b"\r\n"].concat()
    }

    fn value(&mut self) -> Vec<u8> {
        if self.chance(5) {
            let len = self.rng.usize(1..300);
            return vec![b'v'; len];
        }
        self.pick(VALUES).into()
    }

    /// The length to announce: now and then a wrong one.
    fn len(&mut self, value: &[u8]) -> String {
        match self.rng.u32(0..40) {
            0 => self.pick(&["x", "-1", "99999999999", "2147483647", "007", "+3", "", "-", "2000000"]).to_owned(),
            1 => (value.len() + 1).to_string(),
            2 => value.len().saturating_sub(1).to_string(),
            _ => value.len().to_string(),
        }
    }

    fn meta_set(&mut self) -> Vec<u8> {
        let letters = if self.chance(12) { "vstcfhlukqTNRECOPLFDJMIxb" } else { "TTFCIEMMqkOcsN" };
        let (key, base64) = self.key();
        let value = self.value();
        let len = self.len(&value);
        let many = if self.chance(20) { 22 } else { 6 };
        let flags = self.flags(&dedup(letters), base64, many);
        let end = self.line_end();
        [b"ms ", &key[..], b" ", len.as_bytes(), &flags, end, &value, b"\r\n"].concat()
    }

    fn noreply(&mut self) -> &'static [u8] {
        if self.chance(6) { b" noreply" } else { b"" }
    }

    fn store(&mut self) -> Vec<u8> {
        let name = self.pick(&["set", "set", "add", "replace", "append", "prepend", "cas"]);
        let (key, _) = self.key();
        let value = self.value();
        let len = self.len(&value);
        let flags = self.number();
        let time = self.time();
        let cas = if name == "cas" || self.chance(30) { format!(" {}", self.cas()) } else { String::new() };
        let noreply = self.noreply();
        let head = format!(" {flags} {time} {len}{cas}");
        let end = self.line_end();
        [name.as_bytes(), b" ", &key, head.as_bytes(), noreply, end, &value, b"\r\n"].concat()
    }

    fn get(&mut self) -> Vec<u8> {
        let name = self.pick(&["get", "gets", "gat", "gats"]);
        let mut line = name.as_bytes().to_vec();
        if name.starts_with("gat") {
            line.push(b' ');
            line.extend_from_slice(self.time().as_bytes());
        }
        for _ in 0..self.rng.usize(0..4) {
            line.push(b' ');
            // Too long a key is a documented difference.
            line.extend_from_slice(&self.plain_key());
        }
        if self.chance(30) {
            for _ in 0..40 {
                line.extend_from_slice(b" ");
                line.extend_from_slice(self.pick(PLAIN_KEYS).as_bytes());
            }
        }
        line.extend_from_slice(self.line_end());
        line
    }

    fn count(&mut self) -> Vec<u8> {
        let name = self.pick(&["incr", "decr"]);
        let (key, _) = self.key();
        let delta = self.number();
        let noreply = self.noreply();
        [name.as_bytes(), b" ", &key, b" ", delta.as_bytes(), noreply, b"\r\n"].concat()
    }

    fn touch(&mut self) -> Vec<u8> {
        let (key, _) = self.key();
        let time = self.time();
        let noreply = self.noreply();
        [b"touch ", &key[..], b" ", time.as_bytes(), noreply, b"\r\n"].concat()
    }

    fn delete(&mut self) -> Vec<u8> {
        let (key, _) = self.key();
        let extra = self.pick(&["", "", "", " 0", " 0 noreply", " noreply", " 5", " a b"]);
        [b"delete ", &key[..], extra.as_bytes(), b"\r\n"].concat()
    }

    fn other(&mut self) -> Vec<u8> {
        // No flush_all with a delay: one that follows another can bring flushed
        // items back, unless memcached has reclaimed their memory meanwhile.
        let line = self.pick(&[
            "mn",
            "mn x y",
            "version",
            "version 1",
            "verbosity 0",
            "verbosity",
            "verbosity x",
            "verbosity 1 noreply",
            "flush_all",
            "flush_all noreply",
            "flush_all 0",
            "flush_all -1",
            "flush_all x",
            "flush_all 0 noreply",
            "flush_all 0 2 3 4",
            "bogus",
            "bogus noreply",
            "",
            " ",
            "m",
            "mx",
            "mg",
            "ms",
            "ms a",
            "md",
            "ma",
            "me",
            "get",
            "gets",
            "gat",
            "gat 1",
            "set",
            "set a 0 0",
            "cas a 0 0 1",
            "incr",
            "incr a",
            "touch",
            "touch a",
            "delete",
            "stats bogus",
            "stats reset",
            "stats detail",
            "stats detail x",
            "stats detail off",
            "cache_memlimit",
            "cache_memlimit 1",
            "cache_memlimit x",
            "cache_memlimit 64",
            "cache_memlimit 64 noreply",
            "shutdown",
            "shutdown x",
            "quit",
            "quit now",
            "GET / HTTP/1.1",
            " mg a",
            " verbosity 1",
            "mg  a",
            "MG a",
            "mgx a",
            "mg a v noreply",
            "get a noreply",
            "stats cachedump",
            "stats cachedump 1",
            "stats cachedump x 1",
            "stats cachedump 99 1",
            "stats sizes",
            "stats extstore",
            "lru_crawler",
            "lru_crawler x",
            "slabs",
            "slabs x",
        ]);
        let end = self.line_end();
        [line.as_bytes(), end].concat()
    }

    /// Changes a byte or two, but not in numbers: a time of one second would
    /// expire at a moment that no two servers agree on.
    fn spoil(&mut self, command: &mut Vec<u8>) {
        for _ in 0..self.rng.usize(1..3) {
            let at = self.rng.usize(0..command.len());
            let around = &command[at.saturating_sub(1)..command.len().min(at + 2)];
            if around.iter().any(u8::is_ascii_digit) {
                continue;
            }
            let byte = *b" \r\0\tkvTq0A!".get(self.rng.usize(0..11)).unwrap_or(&b' ');
            match self.rng.u32(0..3) {
                0 => command[at] = byte,
                1 => command.insert(at, byte),
                _ if command.len() > 1 => {
                    command.remove(at);
                }
                _ => {}
            }
        }
    }
}

/// Whether 1.6.18 takes a counter of 2^63 or more depends on whether there is a
/// minus sign anywhere in the memory behind it, so none is made.
fn without_huge_counters(command: &[u8]) -> Vec<u8> {
    const HUGE: &[u8] = b"18446744073709551615";
    const LARGE: &[u8] = b"00900000000000000000";
    let mut command = command.to_vec();
    while let Some(at) = command.windows(HUGE.len()).position(|window| window == HUGE) {
        command[at..at + HUGE.len()].copy_from_slice(LARGE);
    }
    command
}

/// Lines that are answered differently on purpose, as the crate's documentation
/// says: a `get` of too long a key, and `me` with a `b` at the end.
fn is_known_difference(line: &[u8]) -> bool {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).collect();
    line.starts_with(b"g") && words.iter().any(|word| word.len() > 250) || matches!(words[..], [b"me", _, b"b"])
}

fn dedup(letters: &str) -> String {
    let mut seen = String::new();
    for letter in letters.chars() {
        if !seen.contains(letter) {
            seen.push(letter);
        }
    }
    seen
}
