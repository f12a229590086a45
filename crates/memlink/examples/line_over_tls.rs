//! A protocol of lines over TLS, from nothing: a client for a server that shouts back what it is told.
//!
//! `cargo run --example line_over_tls --features tls`

use std::sync::Arc;

use memlink::generic::{Ask, Cluster, Command, Encoder, Frame, Malformed, Protocol, Refusal, Reply, Step, Verdict};
use memlink::rustls::{ServerConfig, crypto::ring::default_provider, pki_types::PrivateKeyDer};
use memlink::{Broken, Limits, Server, Settings, Tls};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

struct Lines;

impl Protocol for Lines {
    type Expect = ();
    type State = ();
    type Peer = ();

    /// A TLS 1.3 server may refuse us after the handshake, so something is asked before the first user's command.
    fn open(&self, (): &mut (), reply: Option<&Frame>, out: &mut Encoder<'_>) -> Result<Step<(), ()>, Refusal> {
        match reply.map(Frame::as_slice) {
            None => {
                out.put(b"hello\n");
                Ok(Step::Send(vec![()]))
            }
            Some(b"HELLO") => Ok(Step::Ready(())),
            Some(_) => Err(Refusal::Incompatible("it does not shout back".to_owned())),
        }
    }

    fn frame(&self, (): &mut (), ask: Option<Ask<'_, ()>>, input: &[u8], limits: &Limits) -> Verdict {
        match (ask, input.iter().position(|byte| *byte == b'\n')) {
            (None, _) => Verdict::Broken(Broken::Unsolicited),
            (_, Some(end)) => Verdict::Reply { len: end + 1, tail: 1 },
            (_, None) if input.len() > limits.line_len_max => Verdict::Broken(Broken::LineTooLong),
            (_, None) => Verdict::More { total: input.len() + 1 },
        }
    }
}

struct Shout(&'static str);

impl Command<Lines> for Shout {
    type Output = String;

    fn size_hint(&self) -> usize {
        self.0.len() + 1
    }

    fn encode(&self, (): &(), _serial: u64, out: &mut Encoder<'_>) {
        out.put(self.0.as_bytes());
        out.put(b"\n");
    }

    fn decode(&self, reply: Reply) -> Result<String, Malformed> {
        let Reply::One(line) = reply else { return Err(Malformed { what: "a reply is one line" }) };
        String::from_utf8(line.as_slice().to_vec()).map_err(|_| Malformed { what: "a line is text" })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let issued = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    let key = PrivateKeyDer::try_from(issued.signing_key.serialize_der())?;
    let config =
        ServerConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions()?;
    let config = config.with_no_client_auth().with_single_cert(vec![issued.cert.der().clone()], key)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let server = Server::tcp(&listener.local_addr()?.to_string())?;
    tokio::spawn(serve(listener, tokio_rustls::TlsAcceptor::from(Arc::new(config))));

    let settings = Settings::default().tls(Tls::new().ca_pem(issued.cert.pem()));
    let cluster = Cluster::new(Lines, [server], settings)?;
    let shouts = ["one connection", "many callers", "in order"].map(|text| cluster.send(b"", Shout(text)));
    println!("{:?}", futures_util::future::try_join_all(shouts).await?);
    Ok(())
}

async fn serve(listener: TcpListener, acceptor: tokio_rustls::TlsAcceptor) -> std::io::Result<()> {
    let mut stream = BufReader::new(acceptor.accept(listener.accept().await?.0).await?);
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        stream.write_all(line.to_uppercase().as_bytes()).await?;
        stream.flush().await?;
        line.clear();
    }
    Ok(())
}
