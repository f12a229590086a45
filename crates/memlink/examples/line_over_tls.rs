//! A protocol of lines over TLS, from nothing: a client for a server that shouts back what it is told, and that server.
//! Every step is explained in `docs/own-protocol.md`. Run it with `cargo run -p memlink --features tls --example line_over_tls`.

use memlink::generic::{Ask, Cluster, Command, Encoder, Frame, Malformed, Protocol, Refusal, Reply, Step, Verdict};
use memlink::rustls::ServerConfig;
use memlink::{Broken, Limits, Server, Settings, Tls};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

struct Lines;
impl Protocol for Lines {
    type Expect = ();
    type State = ();
    type Peer = ();

    /// A server may refuse our certificate after the handshake, so something is asked before the first user's command.
    fn open(&self, (): &mut (), reply: Option<&Frame>, out: &mut Encoder<'_>) -> Result<Step<(), ()>, Refusal> {
        match reply.map(Frame::as_slice) {
            Some(b"HELLO") => return Ok(Step::Ready(())),
            Some(_) => return Err(Refusal::Incompatible("it does not shout back".to_owned())),
            None => out.put(b"hello\n"),
        }
        Ok(Step::Send(vec![()]))
    }

    fn frame(&self, (): &mut (), ask: Option<Ask<'_, ()>>, input: &[u8], limits: &Limits) -> Verdict {
        match input.iter().take(limits.line_len_max).position(|byte| *byte == b'\n') {
            _ if ask.is_none() => Verdict::Broken(Broken::Unsolicited),
            Some(end) => Verdict::Reply { len: end + 1, tail: 1 },
            None if input.len() >= limits.line_len_max => Verdict::Broken(Broken::LineTooLong),
            None => Verdict::More { total: input.len() + 1 },
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
        out.put(format!("{}\n", self.0).as_bytes());
    }

    fn decode(&self, reply: Reply) -> Result<String, Malformed> {
        let Reply::One(line) = reply else { return Err(Malformed { what: "a reply is one line" }) };
        String::from_utf8(line.as_slice().to_vec()).map_err(|_| Malformed { what: "a line is text" })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    let (cert, key) = (made.cert.der().clone(), made.signing_key.serialize_der().try_into()?);
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![cert], key)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let server = Server::tcp(&listener.local_addr()?.to_string())?;
    tokio::spawn(serve(listener, TlsAcceptor::from(std::sync::Arc::new(config))));

    let cluster = Cluster::new(Lines, [server], Settings::default().tls(Tls::new().ca_pem(made.cert.pem())))?;
    let shouts = ["one connection", "many callers", "in order"].map(|text| cluster.send(b"its key", Shout(text)));
    println!("{:?}", futures_util::future::try_join_all(shouts).await?);
    Ok(())
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor) -> std::io::Result<()> {
    let mut stream = BufReader::new(acceptor.accept(listener.accept().await?.0).await?);
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        stream.write_all(line.to_uppercase().as_bytes()).await?;
        stream.flush().await?;
        line.clear();
    }
    Ok(())
}
