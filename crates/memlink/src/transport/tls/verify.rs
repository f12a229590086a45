//! Is this the server that was meant? Chain, time, name and pins.

use std::sync::Arc;
use std::{fmt, str};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::hash::{Hash, HashAlgorithm};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, OtherError, SignatureScheme};

use super::certificate::{Certificate, date};

/// What makes a server's certificate good.
pub(super) struct Verifier {
    pub(super) trust: Trust,
    /// One of them has to fit, if there are any.
    pub(super) pins: Vec<TlsPin>,
    pub(super) checks_name: bool,
    pub(super) sha256: &'static dyn Hash,
    pub(super) provider: Arc<CryptoProvider>,
}

pub(super) enum Trust {
    /// A chain to one of the authorities, or one of those that were named, itself. There is no authority where only certificates were
    /// named that may not sign others.
    Chain { chains: Option<Arc<WebPkiServerVerifier>>, named: Vec<CertificateDer<'static>> },
    /// The pin says enough of who it is; the certificate has to be in its time.
    Pins,
    /// Anybody.
    Anyone,
}

/// The SHA-256 of what a server has to show: of its certificate, or of its public key (which stays when a certificate is renewed
/// with the same key).
///
/// ```
/// use memlink::TlsPin;
///
/// // The fingerprint of a certificate, as `openssl x509 -noout -fingerprint -sha256` prints it.
/// let colons = ["ab"; 32].join(":");
/// assert_eq!(format!("cert-sha256:{colons}").parse::<TlsPin>()?, TlsPin::Certificate([0xab; 32]));
/// // The public key (SubjectPublicKeyInfo), as curl's `--pinnedpubkey` takes it, or in hexadecimal.
/// let base64 = "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=";
/// assert_eq!(format!("sha256//{base64}").parse::<TlsPin>()?, TlsPin::Key([0xab; 32]));
/// assert_eq!(format!("key-sha256:{}", "ab".repeat(32)).parse::<TlsPin>()?, TlsPin::Key([0xab; 32]));
/// # Ok::<(), memlink::TlsError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsPin {
    /// Of the whole certificate.
    Certificate([u8; 32]),
    /// Of the public key: its SubjectPublicKeyInfo in DER.
    Key([u8; 32]),
}

impl str::FromStr for TlsPin {
    type Err = super::TlsError;

    fn from_str(text: &str) -> Result<TlsPin, super::TlsError> {
        let digest = |digits: &str| hexadecimal(digits).or_else(|| base64(digits));
        let found = match (text.strip_prefix("cert-sha256:"), text.strip_prefix("key-sha256:")) {
            (Some(digits), _) => digest(digits).map(TlsPin::Certificate),
            (None, Some(digits)) => digest(digits).map(TlsPin::Key),
            (None, None) => text.strip_prefix("sha256//").and_then(base64).map(TlsPin::Key),
        };
        found.ok_or_else(|| super::TlsError::Pin(super::shown(text)))
    }
}

/// With or without colons.
fn hexadecimal(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
    let bytes = digits.chunks_exact(2).map(|two| {
        let two = str::from_utf8(two).ok().filter(|two| two.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        u8::from_str_radix(two, 16).ok()
    });
    let bytes: Vec<u8> = bytes.collect::<Option<_>>()?;
    bytes.try_into().ok().filter(|_| digits.len() == 64)
}

fn base64(text: &str) -> Option<[u8; 32]> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.trim_end_matches('=').as_bytes();
    let (mut bytes, mut bits, mut len) = (Vec::with_capacity(33), 0_u32, 0);
    for digit in digits {
        let value = ALPHABET.iter().position(|known| known == digit)?;
        bits = bits << 6 | u32::try_from(value).ok()?;
        len += 6;
        if len >= 8 {
            len -= 8;
            bytes.push((bits >> len) as u8);
        }
        bits &= (1 << len) - 1;
    }
    bytes.try_into().ok().filter(|_| digits.len() == 43 && bits == 0)
}

/// The provider's SHA-256, which all of them have as part of their cipher suites.
pub(super) fn sha256(provider: &CryptoProvider) -> Option<&'static dyn Hash> {
    let hashes = provider.cipher_suites.iter().map(|suite| match suite {
        rustls::SupportedCipherSuite::Tls13(suite) => suite.common.hash_provider,
        #[allow(unreachable_patterns)]
        rustls::SupportedCipherSuite::Tls12(suite) => suite.common.hash_provider,
    });
    hashes.into_iter().find(|hash| hash.algorithm() == HashAlgorithm::SHA256)
}

/// A reason that rustls has no word for.
#[derive(Debug)]
pub(super) struct Distrust(pub(super) &'static str);

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Distrust {}

fn distrust(text: &'static str) -> rustls::Error {
    rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(Distrust(text)))))
}

impl Verifier {
    fn check_pins(&self, leaf: &CertificateDer<'_>) -> Result<(), rustls::Error> {
        if self.pins.is_empty() {
            return Ok(());
        }
        let key = ParsedCertificate::try_from(leaf)?.subject_public_key_info();
        let fits = self.pins.iter().any(|pin| match pin {
            TlsPin::Certificate(digest) => self.sha256.hash(leaf).as_ref() == digest,
            TlsPin::Key(digest) => self.sha256.hash(&key).as_ref() == digest,
        });
        if fits { Ok(()) } else { Err(distrust("it is none of those that are pinned")) }
    }

    fn check_chain(
        &self,
        chains: Option<&WebPkiServerVerifier>,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        let verified = match chains {
            Some(chains) => chains.verify_server_cert(leaf, others, name, &[], now),
            None => Err(CertificateError::UnknownIssuer.into()),
        };
        match verified {
            Ok(_) => Ok(()),
            // The name is looked at last, when all else is well.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.checks_name => Ok(()),
            // Self-signed ones that call themselves an authority end in an error that says only that.
            Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::Other(_)))
                if Certificate::read(leaf).is_some_and(|leaf| leaf.is_self_issued()) =>
            {
                Err(distrust(SELF_SIGNED))
            }
            Err(error) => Err(error),
        }
    }

    /// The certificate is trusted as it is, whoever has signed it; what it says of itself has to be so all the same.
    fn check_known(
        &self,
        leaf: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        self.check_time(leaf, now)?;
        match self.checks_name {
            true => verify_server_name(&ParsedCertificate::try_from(leaf)?, name),
            false => Ok(()),
        }
    }

    fn check_time(&self, leaf: &CertificateDer<'_>, now: UnixTime) -> Result<(), rustls::Error> {
        let Some(leaf) = Certificate::read(leaf) else { return Err(CertificateError::BadEncoding.into()) };
        let time = |seconds| UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        if now.as_secs() < leaf.not_before {
            return Err(CertificateError::NotValidYetContext { time: now, not_before: time(leaf.not_before) }.into());
        }
        if now.as_secs() > leaf.not_after {
            return Err(CertificateError::ExpiredContext { time: now, not_after: time(leaf.not_after) }.into());
        }
        Ok(())
    }
}

const SELF_SIGNED: &str = "it is self-signed, and not one of the trusted ones";

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.check_pins(leaf)?;
        match &self.trust {
            Trust::Chain { named, .. } if named.contains(leaf) => self.check_known(leaf, name, now)?,
            Trust::Chain { chains, .. } => self.check_chain(chains.as_deref(), leaf, others, name, now)?,
            Trust::Pins => self.check_known(leaf, name, now)?,
            Trust::Anyone => {}
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("pins", &self.pins).finish_non_exhaustive()
    }
}

/// What is wrong with a server's certificate, for an operator.
pub(super) fn words(error: &CertificateError) -> String {
    match error {
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("it expired at {}", date(not_after.as_secs()))
        }
        CertificateError::Expired => "it has expired".to_owned(),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("it is not valid yet, only from {} on", date(not_before.as_secs()))
        }
        CertificateError::NotValidYet => "it is not valid yet".to_owned(),
        CertificateError::UnknownIssuer => {
            "its issuer is unknown: no trusted authority has signed it, or the server does not send the certificates between"
                .to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let shown = match presented.is_empty() {
                true => "none".to_owned(),
                false => presented.join(", "),
            };
            format!("it is not for the name {:?}; the names in it are: {shown}", expected.to_str())
        }
        CertificateError::NotValidForName => "it is not for the name of this server".to_owned(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "it is not meant for servers (extended key usage)".to_owned()
        }
        CertificateError::Revoked => "it has been revoked".to_owned(),
        CertificateError::BadEncoding => "it cannot be read".to_owned(),
        CertificateError::BadSignature => "a signature in its chain is wrong".to_owned(),
        CertificateError::Other(OtherError(other)) => other.to_string(),
        other => format!("{other}"),
    }
}
