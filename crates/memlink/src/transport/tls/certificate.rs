//! The few words of a certificate that rustls does not tell: who has issued it, from when to when it holds, and whether it may sign
//! others.
//!
//! ```text
//!   Certificate { TBS { [0] version, serial, algorithm, issuer, { from, until }, subject, key, ..., [3] { extensions } }, ... }
//!   extension   { name, critical?, "basicConstraints { is an authority?, depth? }" }
//! ```
//!
//! Only what has been parsed by rustls already is read here, and anything unexpected is `None`.

use rustls::pki_types::CertificateDer;

/// DER tags.
const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const BOOLEAN: u8 = 0x01;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;

/// The name of the extension, 2.5.29.19.
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];

pub(super) struct Certificate<'a> {
    pub(super) issuer: &'a [u8],
    pub(super) subject: &'a [u8],
    /// Seconds since 1970.
    pub(super) not_before: u64,
    pub(super) not_after: u64,
    /// Certificates that it has signed may be trusted because it is. Those of version 1 cannot say so, and are taken for authorities.
    pub(super) is_authority: bool,
}

impl<'a> Certificate<'a> {
    pub(super) fn read(der: &'a CertificateDer<'_>) -> Option<Certificate<'a>> {
        let (_, certificate, _) = element(der)?;
        let (_, mut rest, _) = element(certificate)?;
        let has_version = rest.first() == Some(&VERSION);
        if has_version {
            rest = element(rest)?.2;
        }
        let (_, rest) = expect(INTEGER, rest)?;
        let (_, rest) = expect(SEQUENCE, rest)?;
        let (issuer, rest) = expect(SEQUENCE, rest)?;
        let (validity, rest) = expect(SEQUENCE, rest)?;
        let (subject, rest) = expect(SEQUENCE, rest)?;
        let (_, rest) = expect(SEQUENCE, rest)?;
        let (from, from_text, until) = element(validity)?;
        let (to, to_text, _) = element(until)?;
        let (not_before, not_after) = (seconds(from, from_text)?, seconds(to, to_text)?);
        let is_authority = !has_version || may_sign(rest)?;
        Some(Certificate { issuer, subject, not_before, not_after, is_authority })
    }

    pub(super) fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }
}

/// What the extensions say, in what stands behind the key.
fn may_sign(mut rest: &[u8]) -> Option<bool> {
    while !rest.is_empty() {
        let (tag, content, behind) = element(rest)?;
        rest = behind;
        if tag != EXTENSIONS {
            continue;
        }
        let (mut extensions, _) = expect(SEQUENCE, content)?;
        while !extensions.is_empty() {
            let (extension, others) = expect(SEQUENCE, extensions)?;
            extensions = others;
            let (name, value) = expect(OBJECT_IDENTIFIER, extension)?;
            if name == BASIC_CONSTRAINTS {
                let value = expect(BOOLEAN, value).map_or(value, |(_critical, value)| value);
                let (constraints, _) = expect(SEQUENCE, expect(OCTET_STRING, value)?.0)?;
                // Left out it is false.
                return Some(expect(BOOLEAN, constraints).is_some_and(|(is_authority, _)| is_authority != [0]));
            }
        }
    }
    Some(false)
}

fn expect(wanted: u8, input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (tag, content, rest) = element(input)?;
    (tag == wanted).then_some((content, rest))
}

/// Tag, content, and what stands behind it.
fn element(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = input.split_first_chunk()?;
    let (len, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(len)?;
    Some((tag, content, rest))
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ` as seconds since 1970; 0 for what was before.
fn seconds(tag: u8, text: &[u8]) -> Option<u64> {
    let digits = text.strip_suffix(b"Z")?;
    let mut numbers = digits.chunks_exact(2).map(|two| match two {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => Some(u64::from(tens - b'0') * 10 + u64::from(ones - b'0')),
        _ => None,
    });
    let mut next = || numbers.next().flatten();
    let year = match tag {
        UTC_TIME => next().map(|year| if year < 50 { 2000 + year } else { 1900 + year })?,
        GENERALIZED_TIME => next()? * 100 + next()?,
        _ => return None,
    };
    let (month, day, hour, minute, second) = (next()?, next()?, next()?, next()?, next()?);
    Some(days(year, month, day).map_or(0, |days| days * 86_400 + hour * 3_600 + minute * 60 + second))
}

/// Days from 1970-01-01 to this day, `None` before; the year begins in March, so that the leap day is its last.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let month_from_march = (month + 9) % 12;
    let year = year.checked_sub(u64::from(month < 3))?;
    let leap_days = year / 4 - year / 100 + year / 400;
    (year * 365 + leap_days + (month_from_march * 153 + 2) / 5 + day).checked_sub(719_469)
}

/// A time for people, `2026-11-22 21:11:38 UTC`.
pub(super) fn date(seconds: u64) -> String {
    let (days, time) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month < 3);
    let (hour, minute, second) = (time / 3_600, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written() {
        for (tag, text, wanted, shown) in [
            (UTC_TIME, "700101000000Z", 0, "1970-01-01 00:00:00 UTC"),
            (UTC_TIME, "000229235959Z", 951_868_799, "2000-02-29 23:59:59 UTC"),
            (UTC_TIME, "261122211138Z", 1_795_381_898, "2026-11-22 21:11:38 UTC"),
            (GENERALIZED_TIME, "21000301000000Z", 4_107_542_400, "2100-03-01 00:00:00 UTC"),
            (GENERALIZED_TIME, "99991231235959Z", 253_402_300_799, "9999-12-31 23:59:59 UTC"),
        ] {
            assert_eq!(seconds(tag, text.as_bytes()), Some(wanted), "{text}");
            assert_eq!(date(wanted), shown);
        }
        for (tag, text) in [
            (UTC_TIME, "691231235959Z"),
            (UTC_TIME, "500101000000Z"),
            (GENERALIZED_TIME, "19491231235959Z"),
            (GENERALIZED_TIME, "00000101000000Z"),
        ] {
            assert_eq!(seconds(tag, text.as_bytes()), Some(0), "{text}");
        }
        for (tag, text) in [(UTC_TIME, "7001010000Z"), (UTC_TIME, "xx0101000000Z"), (INTEGER, "700101000000Z")] {
            assert_eq!(seconds(tag, text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn any_bytes_are_no_certificate() {
        let mut dice = fastrand::Rng::with_seed(1);
        for len in 0..2_000 {
            let mut bytes: Vec<u8> = (0..len % 64).map(|_| dice.u8(..)).collect();
            if let Some(first) = bytes.first_mut() {
                *first = SEQUENCE;
            }
            assert!(Certificate::read(&CertificateDer::from(bytes)).is_none());
        }
    }

    #[test]
    fn who_may_sign_is_read() {
        use rcgen::{BasicConstraints, IsCa};
        for (is_ca, wanted) in [
            (IsCa::NoCa, false),
            (IsCa::ExplicitNoCa, false),
            (IsCa::Ca(BasicConstraints::Unconstrained), true),
            (IsCa::Ca(BasicConstraints::Constrained(0)), true),
        ] {
            let key = rcgen::KeyPair::generate().unwrap();
            let mut params = rcgen::CertificateParams::new(["a".to_owned()]).unwrap();
            params.is_ca = is_ca;
            let der = params.self_signed(&key).unwrap().der().clone();
            assert_eq!(Certificate::read(&der).unwrap().is_authority, wanted, "{is_ca:?}");
        }
    }

    #[test]
    fn a_certificate_is_read() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut wanted = rcgen::CertificateParams::new(["a".to_owned()]).unwrap();
        wanted.not_before = rcgen::date_time_ymd(2020, 2, 29);
        wanted.not_after = rcgen::date_time_ymd(2051, 1, 1);
        let der = wanted.self_signed(&key).unwrap().der().clone();
        let read = Certificate::read(&der).unwrap();
        assert!(read.is_self_issued());
        assert_eq!(date(read.not_before), "2020-02-29 00:00:00 UTC");
        assert_eq!(date(read.not_after), "2051-01-01 00:00:00 UTC");
        for len in 0..der.len() {
            assert!(Certificate::read(&CertificateDer::from(&der[..len])).is_none(), "{len}");
        }
    }
}
