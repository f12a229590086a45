//! Servers that speak TLS, with certificates that tests make.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, version};
use tokio_rustls::TlsAcceptor;

/// What a server shows, and what it asks for. All texts are PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
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
