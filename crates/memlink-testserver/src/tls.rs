//! Servers that speak TLS, with certificates that tests make.

use std::sync::{Arc, Mutex, PoisonError};
use std::{fmt, io};

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, version};
use tokio_rustls::TlsAcceptor;

/// What a server shows, and what it asks for. All texts are PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// Its certificate, its own first, and those between.
    pub cert: String,
    /// The certificate's key.
    pub key: String,
    /// Clients have to show a certificate that one of these has signed.
    pub client_ca: Option<String>,
    /// Speaks TLS 1.2 alone, instead of 1.2 and 1.3.
    pub only_1_2: bool,
}

/// Without the key.
impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TlsSettings { cert, key: _, client_ca, only_1_2 } = self;
        let mut shown = f.debug_struct("TlsSettings");
        shown.field("cert", cert).field("client_ca", client_ca).field("only_1_2", only_1_2).finish_non_exhaustive()
    }
}

/// Makes streams secret; what it shows may be replaced.
#[derive(Debug, Clone)]
pub(crate) struct Doorman(Arc<Mutex<Arc<ServerConfig>>>);

impl Doorman {
    pub(crate) fn new(settings: &TlsSettings) -> io::Result<Doorman> {
        Ok(Doorman(Arc::new(Mutex::new(settings.config()?))))
    }

    /// For connections from now on.
    pub(crate) fn replace(&self, settings: &TlsSettings) -> io::Result<()> {
        let config = settings.config()?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl TlsSettings {
    fn config(&self) -> io::Result<Arc<ServerConfig>> {
        let provider = Arc::new(default_provider());
        let versions: &[_] = if self.only_1_2 { &[&version::TLS12] } else { &[&version::TLS12, &version::TLS13] };
        let builder = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(versions);
        let builder = builder.map_err(io::Error::other)?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(pem) => {
                let mut roots = RootCertStore::empty();
                for cert in certificates(pem)? {
                    roots.add(cert).map_err(io::Error::other)?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                builder.with_client_cert_verifier(verifier.map_err(io::Error::other)?)
            }
        };
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).map_err(io::Error::other)?;
        let config = builder.with_single_cert(certificates(&self.cert)?, key).map_err(io::Error::other)?;
        Ok(Arc::new(config))
    }
}

fn certificates(pem: &str) -> io::Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_not_shown() {
        let (cert, key) = ("cert".to_owned(), "sesame".to_owned());
        let shown = format!("{:?}", TlsSettings { cert, key, client_ca: None, only_1_2: true });
        assert!(shown.contains("cert") && !shown.contains("sesame"), "{shown}");
    }
}
