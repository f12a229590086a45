//! Why a handshake failed, in words that an operator understands.

use std::io;

use memlink_core::Refusal;
use rustls::{AlertDescription, PeerIncompatible};

use super::verify;

/// What is known of this side, to guess what the other side means.
#[derive(Debug, Clone, Copy)]
pub(super) struct About {
    pub(super) shows_certificate: bool,
}

/// A server that cannot be trusted or will not have us, as an error whose inside is a [`Refusal`].
pub(super) fn refusal(error: &rustls::Error, about: About, first: &[u8]) -> io::Error {
    let refusal = match error {
        rustls::Error::InvalidCertificate(why) => {
            Refusal::Incompatible(format!("the server's certificate is refused: {}", verify::words(why)))
        }
        rustls::Error::AlertReceived(alert) => Refusal::Denied(alert_words(*alert, about)),
        rustls::Error::PeerIncompatible(
            PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig | PeerIncompatible::ServerDoesNotSupportTls12Or13,
        ) => Refusal::Incompatible(VERSION.to_owned()),
        rustls::Error::InvalidMessage(_) if is_text(first) => plain_text(first),
        other => Refusal::Incompatible(format!("the TLS handshake failed: {other}")),
    };
    io::Error::other(refusal)
}

const VERSION: &str = "the server speaks no version of TLS that is allowed here (1.2 and 1.3 unless told otherwise)";

fn is_text(first: &[u8]) -> bool {
    first.len() >= 3 && first.iter().all(|byte| byte.is_ascii_graphic() || b" \t\r\n".contains(byte))
}

fn plain_text(first: &[u8]) -> Refusal {
    let text = String::from_utf8_lossy(first);
    let line = text.lines().next().unwrap_or_default();
    if line.starts_with("ERROR Too many open connections") {
        return Refusal::Denied("the server has no room for another connection (its option -c)".to_owned());
    }
    Refusal::Incompatible(format!("the server speaks plain text and no TLS on this port: it answered {line:?}"))
}

fn alert_words(alert: AlertDescription, about: About) -> String {
    let none_shown = !about.shows_certificate;
    match alert {
        AlertDescription::CertificateRequired => {
            "the server requires a client certificate, and none is configured".to_owned()
        }
        AlertDescription::HandshakeFailure if none_shown => {
            "the server refused the handshake: it may require a client certificate, and none is configured".to_owned()
        }
        AlertDescription::ProtocolVersion => VERSION.to_owned(),
        AlertDescription::UnrecognisedName => "the server has no certificate for the name it was asked for".to_owned(),
        AlertDescription::NoApplicationProtocol => {
            "the server speaks none of the application protocols (ALPN)".to_owned()
        }
        AlertDescription::UnknownCA => refused("it does not know the authority that has signed it", about),
        AlertDescription::CertificateExpired => refused("it has expired", about),
        AlertDescription::CertificateRevoked => refused("it has been revoked", about),
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::DecryptError
        | AlertDescription::AccessDenied => refused(&format!("{alert:?}"), about),
        other => format!("the server refused the TLS handshake ({other:?})"),
    }
}

fn refused(why: &str, about: About) -> String {
    match about.shows_certificate {
        true => format!("the server refused the client certificate: {why}"),
        false => format!(
            "the server refused the handshake ({why}): it may require a client certificate, and none is configured"
        ),
    }
}

/// The server is gone, or silent, before the end of the handshake.
pub(super) fn cut(received: usize, about: About) -> io::Error {
    let hint = match (received, about.shows_certificate) {
        (0, _) => "; is it a TLS port?",
        (_, false) => "; it may require a client certificate, and none is configured",
        (_, true) => "; it may have refused the client certificate",
    };
    let text = format!("the server closed the connection in the TLS handshake{hint}");
    io::Error::new(io::ErrorKind::UnexpectedEof, text)
}

pub(super) fn stalled(received: usize, first: &[u8]) -> io::Error {
    let text = match received {
        0 => {
            "the dial timed out: the server accepted the connection and answered nothing to the TLS handshake; is it a TLS port?"
        }
        _ if is_text(first) => return io::Error::other(plain_text(first)),
        _ => "the dial timed out in the midst of the TLS handshake",
    };
    io::Error::new(io::ErrorKind::TimedOut, text)
}
