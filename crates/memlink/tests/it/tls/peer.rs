//! A peer that speaks TLS in its own way, or not at all, and notes every byte that reaches it.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use memlink::Server;
use memlink::rustls::crypto::CryptoProvider;
use memlink::rustls::crypto::ring::default_provider;
use memlink::rustls::pki_types::pem::PemObject as _;
use memlink::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use memlink::rustls::server::WebPkiClientVerifier;
use memlink::rustls::{HandshakeKind, RootCertStore, ServerConfig, ServerConnection, version};

use super::authority::Issued;
use super::wear::provider;

/// What becomes of a handshake.
#[derive(Clone)]
pub(crate) enum Manner {
    /// Speaks TLS: with this certificate, and client certificates of this authority (PEM) if one is given.
    Tls {
        shows: Issued,
        wants: Option<String>,
        only_1_2: bool,
    },
    /// TLS 1.2 with keys that are good for so many records.
    Wears(Issued, u64),
    /// TLS, one byte at a time.
    Dribbles(Issued),
    /// Answers the first user's command with a half of a value, then ends: with a goodbye (close_notify) or without.
    EndsInValue {
        shows: Issued,
        says_goodbye: bool,
    },
    /// Sends so many bytes of its part of the handshake, then closes.
    Cuts(Issued, usize),
    /// Sends so many bytes of its part of the handshake, and nothing more.
    Stalls(Issued, usize),
    /// Sends these bytes, whatever it hears.
    Says(&'static [u8]),
    /// Sends these bytes again and again until the client closes.
    Repeats(&'static [u8]),
    /// Says nothing until the client closes.
    IsSilent,
    Closes,
}

/// What has reached it, over all connections.
#[derive(Default, Clone)]
pub(crate) struct Heard {
    /// As it was on the wire.
    pub(crate) wire: Vec<u8>,
    /// After decryption.
    pub(crate) plaintext: Vec<u8>,
    pub(crate) connections: usize,
    /// The certificate that was shown in each handshake (DER), oldest first.
    pub(crate) shown: Vec<Vec<u8>>,
    /// Handshakes that went on with an earlier session.
    pub(crate) resumed: usize,
}

pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Heard>>,
}

impl Peer {
    /// Its thread ends with the process: it waits for connections.
    pub(crate) fn start(manner: Manner) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let heard: Arc<Mutex<Heard>> = Arc::default();
        let peer = Peer { address, heard: heard.clone() };
        // One for all connections: sessions can be resumed.
        let config = manner.config();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (manner, config, heard) = (manner.clone(), config.clone(), heard.clone());
                heard.lock().unwrap().connections += 1;
                std::thread::spawn(move || serve(&manner, config, Wire { stream, heard }));
            }
        });
        peer
    }

    pub(crate) fn server(&self) -> Server {
        Server::tcp(&format!("127.0.0.1:{}", self.address.port())).expect("an address")
    }

    pub(crate) fn heard(&self) -> Heard {
        self.heard.lock().unwrap().clone()
    }
}

/// Notes what it reads.
struct Wire {
    stream: TcpStream,
    heard: Arc<Mutex<Heard>>,
}

impl Read for Wire {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let n = self.stream.read(bytes)?;
        self.heard.lock().unwrap().wire.extend_from_slice(&bytes[..n]);
        Ok(n)
    }
}

/// Errors are the client's business: it has closed.
fn serve(manner: &Manner, config: Option<Arc<ServerConfig>>, mut wire: Wire) -> Option<()> {
    wire.stream.set_nodelay(true).ok()?;
    wire.stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    match manner {
        Manner::Closes => {}
        Manner::IsSilent => until_end(&mut wire),
        Manner::Says(bytes) => {
            // Its first word is an answer.
            wire.read_exact(&mut [0; 1]).ok()?;
            wire.stream.write_all(bytes).ok()?;
            until_end(&mut wire);
        }
        Manner::Repeats(bytes) => while wire.stream.write_all(bytes).is_ok() {},
        Manner::Tls { .. }
        | Manner::Wears(..)
        | Manner::Dribbles(_)
        | Manner::EndsInValue { .. }
        | Manner::Cuts(..) => {
            speak(&mut wire, manner, config)?;
        }
        Manner::Stalls(..) => {
            speak(&mut wire, manner, config)?;
            until_end(&mut wire);
        }
    }
    wire.stream.shutdown(Shutdown::Both).ok()
}

fn until_end(wire: &mut Wire) {
    let mut bytes = [0; 1024];
    while wire.read(&mut bytes).is_ok_and(|n| n > 0) {}
}

impl Manner {
    fn config(&self) -> Option<Arc<ServerConfig>> {
        match self {
            Manner::Tls { shows, wants, only_1_2 } => {
                Some(config(shows, wants.as_deref(), *only_1_2, default_provider()))
            }
            Manner::Wears(shows, limit) => Some(config(shows, None, true, provider(*limit))),
            Manner::Dribbles(shows) | Manner::EndsInValue { shows, .. } => {
                Some(config(shows, None, false, default_provider()))
            }
            Manner::Cuts(shows, _) | Manner::Stalls(shows, _) => Some(config(shows, None, false, default_provider())),
            Manner::Says(_) | Manner::Repeats(_) | Manner::IsSilent | Manner::Closes => None,
        }
    }
}

/// Makes the handshake and answers as memcached does, as far as the manner goes.
fn speak(wire: &mut Wire, manner: &Manner, config: Option<Arc<ServerConfig>>) -> Option<()> {
    let mut session = ServerConnection::new(config?).ok()?;
    let (mut line, mut is_known, mut is_over) = (Vec::new(), false, false);
    let piece = if matches!(manner, Manner::Dribbles(_)) { 1 } else { usize::MAX };
    let mut left = match manner {
        Manner::Cuts(_, len) | Manner::Stalls(_, len) => *len,
        _ => usize::MAX,
    };
    loop {
        let mut out = Vec::new();
        while session.wants_write() {
            session.write_tls(&mut out).ok()?;
        }
        for bytes in out.chunks(piece.max(1)) {
            let bytes = &bytes[..bytes.len().min(left)];
            wire.stream.write_all(bytes).ok()?;
            left -= bytes.len();
            if left == 0 {
                return Some(());
            }
        }
        if is_over {
            return Some(());
        }
        if !is_known && !session.is_handshaking() {
            is_known = true;
            let mut heard = wire.heard.lock().unwrap();
            heard.shown.extend(session.peer_certificates().and_then(<[_]>::first).map(|cert| cert.to_vec()));
            heard.resumed += usize::from(session.handshake_kind() == Some(HandshakeKind::Resumed));
        }
        if session.read_tls(wire).ok()? == 0 {
            return None;
        }
        if session.process_new_packets().is_err() {
            // Whatever there is to say of it.
            let _ = session.write_tls(&mut wire.stream);
            until_end(wire);
            return None;
        }
        let mut bytes = [0; 4096];
        while let Ok(n @ 1..) = session.reader().read(&mut bytes) {
            wire.heard.lock().unwrap().plaintext.extend_from_slice(&bytes[..n]);
            line.extend_from_slice(&bytes[..n]);
        }
        while let Some(end) = line.iter().position(|byte| *byte == b'\n') {
            let answer: &[u8] = match (&line[..end], manner) {
                (b"version\r", _) => b"VERSION 1.6.45\r\n",
                (b"mg memlink:probe s Oprobe\r", _) => b"EN Oprobe\r\n",
                (_, Manner::EndsInValue { .. }) => b"VA 10\r\nhello",
                _ => b"HD\r\n",
            };
            session.writer().write_all(answer).ok()?;
            is_over = answer.starts_with(b"VA");
            if is_over && matches!(manner, Manner::EndsInValue { says_goodbye: true, .. }) {
                session.send_close_notify();
            }
            line.drain(..=end);
        }
    }
}

fn config(shows: &Issued, wants: Option<&str>, only_1_2: bool, provider: CryptoProvider) -> Arc<ServerConfig> {
    let provider = Arc::new(provider);
    let versions: &[_] = if only_1_2 { &[&version::TLS12] } else { &[&version::TLS12, &version::TLS13] };
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(versions).unwrap();
    let builder = match wants {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    let cert = CertificateDer::from_pem_slice(shows.cert.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(shows.key.as_bytes()).unwrap();
    let mut config = builder.with_single_cert(vec![cert], key).unwrap();
    // Clients that offer protocols have to offer this one; those that offer none are served.
    config.alpn_protocols = vec![b"memcached".to_vec()];
    Arc::new(config)
}
