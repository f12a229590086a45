//! From options and files to rustls' configuration, again whenever a file has changed.

use std::fs::File;
use std::hash::{DefaultHasher, Hasher as _};
use std::io::{self, Read as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};
use tokio::time::{Instant, timeout_at};

use super::certificate::Certificate;
use super::verify::{Trust, Verifier, sha256};
use super::words::About;
use super::{Identity, Options, Source, Tls, TlsError, TlsStream, TlsVersion, shown};
use crate::transport::{Address, Transport};

/// Sessions that are remembered: rustls keeps eight for each server, so these are 128 servers.
const SESSIONS_MAX: usize = 1_024;

/// Largest file that is read; the bundles of systems have a quarter of it.
const FILE_LEN_MAX: u64 = 1 << 20;

/// What was loaded, shared by all clones.
///
/// ```text
///   dial, files --> reading (waits without a thread) --> loading (a thread that may block) --> known
///   dial, none  ----------------------------------------------------------------------------> known
///   reload      ---------------------------------------> loading ---------------------------> known
/// ```
#[derive(Default)]
pub(super) struct State {
    /// Held for a moment, never while something is read: it is asked for where nothing may block.
    known: Mutex<Known>,
    /// Held by whoever reads files or the system's authorities, for as long as a disk takes.
    loading: Mutex<()>,
    /// One look at the files at a time, by a thread that may hang for as long as a disk does: whoever dials meanwhile waits here, and
    /// holds none.
    reading: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct Known {
    loaded: Option<Loaded>,
    /// The contents that could not be used last, so that they are complained of once.
    refused: Option<u64>,
    complaint: Option<Arc<str>>,
    /// Those of the system: read once, and when a reload is asked for.
    system_roots: Option<Certificates>,
}

type Certificates = Arc<Vec<CertificateDer<'static>>>;

#[derive(Clone)]
struct Loaded {
    config: Arc<ClientConfig>,
    /// Of all files' contents.
    contents: u64,
}

/// The contents of all sources, in the order in which they are needed.
struct Contents {
    roots: Vec<Vec<u8>>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl Tls {
    /// What is to be used for a dial at this moment. Reads files in a thread that may block, until `ends` at the latest.
    async fn config(&self, ends: Instant) -> io::Result<Arc<ClientConfig>> {
        let this = self.clone();
        if !this.options.has_files() {
            return this.state.current(&this.options).map_err(io::Error::other);
        }
        let timed_out =
            |_| io::Error::new(io::ErrorKind::TimedOut, "the dial timed out while the files of TLS were read");
        let turn = timeout_at(ends, this.state.reading.clone().lock_owned()).await.map_err(timed_out)?;
        let load = tokio::task::spawn_blocking(move || {
            // It is the thread's, not the dial's, which may be given up before.
            let _turn = turn;
            this.state.look(&this.options)
        });
        timeout_at(ends, load).await.map_err(timed_out)?.map_err(io::Error::other)?.map_err(io::Error::other)
    }

    /// Loads everything for the first time.
    pub(crate) fn check(&self) -> Result<(), TlsError> {
        self.options.server_name(None)?;
        self.state.current(&self.options).map(|_| ())
    }

    /// Whether the server at `address` has a name that can be in a certificate.
    pub(crate) fn check_address(&self, address: &Address) -> Result<(), TlsError> {
        self.options.server_name(Some(address)).map(|_| ())
    }

    /// Makes `socket` to a stream in which nobody else reads or writes, with the server that was meant.
    pub(crate) async fn connect(&self, socket: Transport, address: &Address, ends: Instant) -> io::Result<TlsStream> {
        let name = self.options.server_name(Some(address)).map_err(io::Error::other)?;
        let config = self.config(ends).await?;
        let about = About { shows_certificate: config.client_auth_cert_resolver.has_certs() };
        TlsStream::connect(socket, config, name, about, ends).await
    }

    /// Why new contents of files are not used, once for each.
    pub(crate) fn take_complaint(&self) -> Option<Arc<str>> {
        self.state.lock().complaint.take()
    }
}

impl State {
    /// Nothing foreign runs under it, so it cannot be poisoned half-way.
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Guards nothing but the order of those who load.
    fn turn(&self) -> MutexGuard<'_, ()> {
        self.loading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn loaded(&self) -> Option<Loaded> {
        self.lock().loaded.clone()
    }

    /// What is in use, loaded if nothing is.
    fn current(&self, options: &Options) -> Result<Arc<ClientConfig>, TlsError> {
        if let Some(loaded) = self.loaded() {
            return Ok(loaded.config);
        }
        let _turn = self.turn();
        match self.loaded() {
            Some(loaded) => Ok(loaded.config),
            None => self.load(options, self.system_roots()),
        }
    }

    /// Looks whether files have changed. What cannot be used changes nothing.
    fn look(&self, options: &Options) -> Result<Arc<ClientConfig>, TlsError> {
        let _turn = self.turn();
        let Some(Loaded { config: good, contents: before }) = self.loaded() else {
            return self.load(options, self.system_roots());
        };
        let read = read(options);
        let contents = read.as_ref().map_or_else(|error| hash(&error.to_string()), |read| read.hash());
        if contents == before {
            self.lock().refused = None;
            return Ok(good);
        }
        if self.lock().refused == Some(contents) {
            return Ok(good);
        }
        let mut loader = Loader { options, system_roots: self.system_roots() };
        match read.and_then(|read| loader.build(&read)) {
            Ok(config) => {
                self.put(Loaded { config: config.clone(), contents }, loader.system_roots);
                Ok(config)
            }
            Err(error) => {
                let mut known = self.lock();
                (known.refused, known.complaint) = (Some(contents), Some(error.to_string().into()));
                Ok(good)
            }
        }
    }

    /// Reads everything, the system's authorities too. What cannot be used changes nothing.
    pub(super) fn reload(&self, options: &Options) -> Result<(), TlsError> {
        let _turn = self.turn();
        self.load(options, None)?;
        self.lock().complaint = None;
        Ok(())
    }

    /// To be called by whose turn it is.
    fn load(&self, options: &Options, system_roots: Option<Certificates>) -> Result<Arc<ClientConfig>, TlsError> {
        let contents = read(options)?;
        let mut loader = Loader { options, system_roots };
        let config = loader.build(&contents)?;
        self.put(Loaded { config: config.clone(), contents: contents.hash() }, loader.system_roots);
        Ok(config)
    }

    fn put(&self, loaded: Loaded, system_roots: Option<Certificates>) {
        let mut known = self.lock();
        let before = known.loaded.replace(loaded);
        known.system_roots = system_roots;
        known.refused = None;
        drop(known);
        // It may hold a user's resolver.
        drop(before);
    }

    fn system_roots(&self) -> Option<Certificates> {
        self.lock().system_roots.clone()
    }
}

/// Makes a configuration, where it may block.
struct Loader<'a> {
    options: &'a Options,
    /// What is known of them, or what was read.
    system_roots: Option<Certificates>,
}

impl Loader<'_> {
    fn build(&mut self, contents: &Contents) -> Result<Arc<ClientConfig>, TlsError> {
        let options = self.options;
        if let Some(config) = &options.config {
            return Ok(config.clone());
        }
        let provider = options.provider()?;
        let sha256 =
            sha256(&provider).ok_or(TlsError::Options("the provider has no SHA-256, which pins are made of"))?;
        let (trust, pins) = (self.trust(contents, &provider)?, options.pins.clone());
        let checks_name = !options.any_name;
        let verifier = Verifier { trust, pins, checks_name, sha256, provider: provider.clone() };
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&options.versions()?)
            .map_err(|error| TlsError::Rustls(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match (&options.identity, &contents.identity) {
            (Identity::Pem { cert, key }, Some((cert_pem, key_pem))) => {
                let certified = certified(cert, cert_pem, key, key_pem, &provider)?;
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
            }
            (Identity::Resolver(resolver), _) => builder.with_client_cert_resolver(resolver.clone()),
            _ => builder.with_no_client_auth(),
        };
        config.alpn_protocols.clone_from(&options.alpn);
        // A session that is resumed shows no certificate: a resolver that has a new one would not be asked.
        config.resumption = match options.no_resumption || matches!(options.identity, Identity::Resolver(_)) {
            true => Resumption::disabled(),
            false => Resumption::in_memory_sessions(SESSIONS_MAX),
        };
        Ok(Arc::new(config))
    }

    fn trust(&mut self, contents: &Contents, provider: &Arc<CryptoProvider>) -> Result<Trust, TlsError> {
        let options = self.options;
        if options.any_certificate {
            return Ok(Trust::Anyone);
        }
        if options.pins_alone {
            return match options.pins.is_empty() {
                true => Err(TlsError::Options("trust_pins_alone needs a pin")),
                false => Ok(Trust::Pins),
            };
        }
        let (mut roots, mut named) = (RootCertStore::empty(), Vec::new());
        for (source, pem) in options.roots.iter().zip(&contents.roots) {
            for cert in certificates(source, pem)? {
                named.push(cert.clone());
                // rustls would trust whatever a root has signed; a server's own certificate is trusted as it is and for nothing more.
                // Of one that cannot be read nobody knows that it may sign.
                let may_sign = Certificate::read(&cert).is_some_and(|cert| cert.is_authority);
                let added = match may_sign {
                    true => roots.add(cert),
                    false => ParsedCertificate::try_from(&cert).map(|_| ()),
                };
                added.map_err(|error| source.wrong(format!("a certificate in it cannot be trusted: {error}")))?;
            }
        }
        if options.roots.is_empty() || options.system_roots {
            // Systems hold a few that are odd; the others are good all the same.
            roots.add_parsable_certificates(self.system_roots()?.iter().cloned());
        }
        let chains = match roots.is_empty() {
            true => None,
            false => Some(
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                    .build()
                    .map_err(|error| TlsError::Rustls(error.to_string()))?,
            ),
        };
        Ok(Trust::Chain { chains, named })
    }

    fn system_roots(&mut self) -> Result<Certificates, TlsError> {
        if let Some(roots) = &self.system_roots {
            return Ok(roots.clone());
        }
        let found = rustls_native_certs::load_native_certs();
        if found.certs.is_empty() {
            let why = found.errors.first().map_or_else(|| "none is installed".to_owned(), ToString::to_string);
            return Err(TlsError::SystemRoots(why));
        }
        Ok(self.system_roots.insert(Arc::new(found.certs)).clone())
    }
}

impl Options {
    fn has_files(&self) -> bool {
        let identity = match &self.identity {
            Identity::Pem { cert, key } => vec![cert, key],
            _ => Vec::new(),
        };
        self.config.is_none() && self.roots.iter().chain(identity).any(|source| matches!(source, Source::File(_)))
    }

    fn provider(&self) -> Result<Arc<CryptoProvider>, TlsError> {
        if let Some(provider) = self.provider.as_ref().or_else(|| CryptoProvider::get_default()) {
            return Ok(provider.clone());
        }
        #[cfg(feature = "tls")]
        return Ok(Arc::new(rustls::crypto::ring::default_provider()));
        #[cfg(not(feature = "tls"))]
        Err(TlsError::Options("there is no provider of cryptography: hand one in, or use the feature `tls`"))
    }

    fn versions(&self) -> Result<Vec<&'static SupportedProtocolVersion>, TlsError> {
        let (oldest, newest) = self.versions.unwrap_or((TlsVersion::V1_2, TlsVersion::V1_3));
        let all = [(TlsVersion::V1_2, &version::TLS12), (TlsVersion::V1_3, &version::TLS13)];
        let wanted = all.into_iter().filter(|(version, _)| (oldest..=newest).contains(version));
        let wanted: Vec<_> = wanted.map(|(_, version)| version).collect();
        if wanted.is_empty() { Err(TlsError::Options("no version of TLS lies between the two")) } else { Ok(wanted) }
    }

    /// Whom to expect at `address`; without one, whether what is configured is a name at all.
    fn server_name(&self, address: Option<&Address>) -> Result<ServerName<'static>, TlsError> {
        let name = match (&self.name, address) {
            (Some(name), _) => name.as_str(),
            (None, Some(Address::Tcp { host, .. })) => host.split('%').next().unwrap_or(host),
            (None, Some(Address::Unix(_))) => {
                return Err(TlsError::Options(
                    "a Unix socket has no name that could be in a certificate: set Tls::name",
                ));
            }
            (None, None) => "localhost",
        };
        ServerName::try_from(name.to_owned()).map_err(|_| TlsError::Name(shown(name)))
    }
}

impl Source {
    fn read(&self) -> Result<Vec<u8>, TlsError> {
        let path = match self {
            Source::Memory(bytes) => return Ok(bytes.to_vec()),
            Source::File(path) => path,
        };
        let read = || {
            // What is no file may never end, or never begin.
            if !std::fs::metadata(path)?.is_file() {
                return Err(io::Error::other("it is no regular file"));
            }
            let mut bytes = Vec::new();
            File::open(path)?.take(FILE_LEN_MAX + 1).read_to_end(&mut bytes)?;
            match bytes.len() as u64 > FILE_LEN_MAX {
                true => Err(io::Error::other("it is larger than 1 MiB")),
                false => Ok(bytes),
            }
        };
        read().map_err(|error| TlsError::File { path: self.place().into(), why: error.to_string() })
    }

    fn wrong(&self, why: String) -> TlsError {
        TlsError::Content { place: self.place(), why }
    }
}

impl Contents {
    fn hash(&self) -> u64 {
        hash(&(&self.roots, &self.identity))
    }
}

fn hash(value: &impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn read(options: &Options) -> Result<Contents, TlsError> {
    if options.config.is_some() {
        return Ok(Contents { roots: Vec::new(), identity: None });
    }
    let roots = options.roots.iter().map(Source::read).collect::<Result<_, _>>()?;
    let identity = match &options.identity {
        Identity::Pem { cert, key } => Some((cert.read()?, key.read()?)),
        _ => None,
    };
    Ok(Contents { roots, identity })
}

fn certificates(source: &Source, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certs = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let certs = certs.map_err(|error| source.wrong(format!("it is no whole PEM file: {error}")))?;
    match certs.is_empty() {
        true => Err(source.wrong("it holds no certificate (PEM)".to_owned())),
        false => Ok(certs),
    }
}

fn certified(
    cert: &Source,
    cert_pem: &[u8],
    key: &Source,
    key_pem: &[u8],
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsError> {
    let chain = certificates(cert, cert_pem)?;
    let der =
        PrivateKeyDer::from_pem_slice(key_pem).map_err(|_| key.wrong("it holds no private key (PEM)".to_owned()))?;
    CertifiedKey::from_der(chain, der, provider).map_err(|error| {
        let why = match error {
            rustls::Error::InconsistentKeys(_) => "the key is that of another certificate".to_owned(),
            other => other.to_string(),
        };
        TlsError::Identity { cert: cert.place(), key: key.place(), why }
    })
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::time::Duration;

    use super::*;

    /// Held by a test, this is a disk that does not answer: whoever looks at the files waits for it.
    fn hang(tls: &Tls) -> MutexGuard<'_, ()> {
        tls.state.turn()
    }

    /// A dial without files asks in the task of its link.
    #[cfg(feature = "tls")]
    #[test]
    fn a_reload_that_hangs_holds_up_no_dial_without_files() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let tls = Tls::new().ca_pem(certificate());
        tls.check().expect("it is a certificate");
        let _hanging = hang(&tls);
        // Asked by another thread, so that a lock that is held would end the test and not hang it.
        let (done, is_done) = std::sync::mpsc::channel();
        let dialling = tls.clone();
        std::thread::spawn(move || {
            let config = runtime.block_on(dialling.config(Instant::now() + Duration::from_secs(20)));
            done.send(config.is_ok() && dialling.take_complaint().is_none())
        });
        assert_eq!(is_done.recv_timeout(Duration::from_secs(20)), Ok(true));
    }

    #[cfg(feature = "tls")]
    #[test]
    fn beside_a_configuration_of_rustls_no_file_is_read() {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = Arc::new(config.with_root_certificates(RootCertStore::empty()).with_no_client_auth());
        let tls =
            Tls::from_config(config).ca_file("/nowhere/ca.pem").client_cert_files("/nowhere/a.pem", "/nowhere/a.key");
        assert_eq!((tls.check(), tls.reload()), (Ok(()), Ok(())));
    }

    #[cfg(feature = "tls")]
    fn certificate() -> String {
        let key = rcgen::KeyPair::generate().unwrap();
        rcgen::CertificateParams::new(["a".to_owned()]).unwrap().self_signed(&key).unwrap().pem()
    }

    /// Two threads may block here. Before, two dials were enough to take them from everybody else.
    #[test]
    fn dials_that_wait_for_a_hanging_file_hold_one_thread() {
        const DIALS: usize = 20;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().max_blocking_threads(2).build().unwrap();
        let tls = Tls::new().ca_file("/nowhere/ca.pem");
        let hanging = hang(&tls);
        let errors = runtime.block_on(async {
            let ends = Instant::now() + Duration::from_millis(200);
            let mut dials: Vec<_> = (0..DIALS).map(|_| Box::pin(tls.config(ends))).collect();
            std::future::poll_fn(|cx| {
                assert!(dials.iter_mut().all(|dial| dial.as_mut().poll(cx).is_pending()));
                std::task::Poll::Ready(())
            })
            .await;
            let other = tokio::task::spawn_blocking(|| 7);
            assert_eq!(
                tokio::time::timeout(Duration::from_secs(20), other).await.expect("a thread is free").unwrap(),
                7
            );
            let mut errors = Vec::new();
            for dial in dials {
                errors.push(dial.await.map(|_| ()).expect_err("nothing was read"));
            }
            errors
        });
        assert_eq!(errors.len(), DIALS);
        for error in errors {
            assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
            assert!(error.to_string().contains("while the files of TLS were read"), "{error}");
        }
        // The disk answers again, and so does the next dial: with what is wrong, at once.
        drop(hanging);
        let next = runtime.block_on(tls.config(Instant::now() + Duration::from_secs(20)));
        assert!(next.map(|_| ()).expect_err("there is no such file").to_string().contains("ca.pem"));
    }
}
