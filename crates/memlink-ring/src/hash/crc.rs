//! What clients make of CRC-32, and a CRC-16 that is none.

/// CRC-32 as in IEEE 802.3 and zlib.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// Fifteen bits from the upper half: the habit of the first Perl client, kept by many since.
///
/// Enough for a remainder; on a ring of 32-bit points all its values lie before practically the first one.
pub(crate) fn crc15(bytes: &[u8]) -> u32 {
    (crc32(bytes) >> 16) & 0x7fff
}

/// CRC-16/XMODEM in a register of 32 bits whose upper half is never cleared, as twemproxy computes it.
///
/// The lower half is the CRC; the upper half holds what earlier steps shifted out of it.
pub(crate) fn crc16(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |register: u32, byte| (register << 8) ^ crc16_step((register >> 8) as u8 ^ byte))
}

/// What a table of 256 entries would hold at `byte`.
const fn crc16_step(byte: u8) -> u32 {
    let mut value = (byte as u16) << 8;
    let mut bit = 0;
    while bit < 8 {
        value = if value & 0x8000 == 0 { value << 1 } else { (value << 1) ^ 0x1021 };
        bit += 1;
    }
    value as u32
}
