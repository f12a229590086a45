/// The bytes of an input, read as decisions. When they are used up every decision is the first one: any bytes are an input, and a short
/// one is a short story.
#[derive(Debug, Clone)]
pub struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    /// Decides by `bytes`, from the front.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Choices<'a> {
        Choices(bytes)
    }

    /// Whether there is nothing left to decide by.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte, or 0.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// A number below `n`, of one byte. 0 if `n` is.
    pub fn below(&mut self, n: usize) -> usize {
        usize::from(self.byte()).checked_rem(n).unwrap_or(0)
    }

    /// Two bytes, lower one first.
    pub fn u16(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// A number of any size: small ones, those at which something changes, or eight bytes.
    pub fn number(&mut self) -> u64 {
        const EDGES: [u64; 24] = [
            0,
            1,
            9,
            10,
            250,
            251,
            255,
            256,
            65_535,
            65_536,
            2_591_999,
            2_592_000,
            2_592_001,
            i32::MAX as u64 - 1,
            i32::MAX as u64,
            i32::MAX as u64 + 1,
            u32::MAX as u64,
            u32::MAX as u64 + 1,
            i64::MAX as u64,
            i64::MAX as u64 + 1,
            u64::MAX - 1,
            u64::MAX,
            1_048_576,
            16_384,
        ];
        match self.byte() {
            small @ ..200 => u64::from(small),
            edge @ 200..=250 => EDGES[usize::from(edge - 200) % EDGES.len()],
            _ => u64::from_le_bytes(std::array::from_fn(|_| self.byte())),
        }
    }

    /// The next `len` bytes, or as many as there are.
    pub fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}
