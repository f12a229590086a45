//! Another protocol on the same connections, as somebody else would write it: with memlink's public names alone.
//!
//! ```text
//!   hello                        the opening exchange      hello <name>
//!   echo <serial> <text>         a command                 <serial> <text>
//!   stop <serial>                one more                  closes
//! ```

use std::pin::Pin;
use std::sync::Arc;

use memlink::generic::{
    Ask, Cluster, Command, ConnectFuture, Connector, Encoder, Frame, Malformed, Protocol, Refusal, Reply, Step, Stream,
    Unsupported, Verdict,
};
use memlink::{Address, Broken, ErrorKind, Limits, Outcome, Server, Settings};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, UnixListener};

use crate::memcached::patient;

struct Lines;

struct Serial;

impl Protocol for Lines {
    type Expect = Serial;
    type State = bool;
    /// The server's name.
    type Peer = String;

    fn open(
        &self,
        is_begun: &mut bool,
        reply: Option<&Frame>,
        out: &mut Encoder<'_>,
    ) -> Result<Step<Serial, String>, Refusal> {
        let Some(reply) = reply else {
            out.put(b"hello\n");
            *is_begun = true;
            return Ok(Step::Send(vec![Serial]));
        };
        *is_begun = false;
        let text = String::from_utf8_lossy(reply.as_slice()).into_owned();
        match text.strip_prefix("hello ") {
            Some(name) => Ok(Step::Ready(name.to_owned())),
            None => Err(Refusal::Incompatible(format!("it said {text}"))),
        }
    }

    fn frame(&self, is_opening: &mut bool, ask: Option<Ask<'_, Serial>>, input: &[u8], limits: &Limits) -> Verdict {
        let Some(ask) = ask else { return Verdict::Broken(Broken::Unsolicited) };
        let Some(end) = input.iter().position(|byte| *byte == b'\n') else {
            return match input.len() > limits.line_len_max {
                true => Verdict::Broken(Broken::LineTooLong),
                false => Verdict::More { total: input.len() + 1 },
            };
        };
        if !*is_opening && !input.starts_with(format!("{} ", ask.serial).as_bytes()) {
            return Verdict::Broken(Broken::OutOfPlace("another serial"));
        }
        Verdict::Reply { len: end + 1, tail: 1 }
    }
}

enum Line {
    Echo(String),
    Stop,
    /// Needs a server of this name.
    EchoOf(&'static str),
}

impl Command<Lines> for Line {
    type Output = String;

    fn check(&self, peer: &String) -> Result<(), Unsupported> {
        match self {
            Line::EchoOf(name) if name != peer => Err(Unsupported { what: format!("{peer} is not {name}") }),
            _ => Ok(()),
        }
    }

    fn size_hint(&self) -> usize {
        64
    }

    fn encode(&self, _peer: &String, serial: u64, out: &mut Encoder<'_>) -> Serial {
        let line = match self {
            Line::Echo(text) => format!("echo {serial} {text}\n"),
            Line::EchoOf(text) => format!("echo {serial} {text}\n"),
            Line::Stop => format!("stop {serial}\n"),
        };
        out.put(line.as_bytes());
        Serial
    }

    fn decode(&self, reply: Reply) -> Result<String, Malformed> {
        let Reply::One(frame) = reply else { return Err(Malformed { what: "not one line" }) };
        let line = std::str::from_utf8(frame.as_slice()).map_err(|_| Malformed { what: "no text" })?;
        line.split_once(' ').map(|(_, text)| text.to_owned()).ok_or(Malformed { what: "no text behind the serial" })
    }
}

/// Serves one connection.
async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while stream.read_line(&mut line).await.is_ok_and(|n| n > 0) {
        let reply = match line.split_once(' ') {
            None => "hello echo-server\n".to_owned(),
            Some(("echo", rest)) => rest.to_owned(),
            Some(_) => return,
        };
        if stream.write_all(reply.as_bytes()).await.is_err() {
            return;
        }
        line.clear();
    }
}

struct InMemory;

impl Connector for InMemory {
    fn connect(&self, _address: &Address) -> ConnectFuture {
        Box::pin(async {
            let (near, far) = tokio::io::duplex(64);
            tokio::spawn(serve(far));
            Ok(Box::pin(near) as Pin<Box<dyn Stream>>)
        })
    }
}

/// Hundreds of callers at once, each with its own text; a lost connection; a command that the server lacks.
async fn check(server: Server, settings: Settings) {
    let cluster = Cluster::new(Lines, [server], settings).unwrap();
    assert!(cluster.open().await.iter().all(Result::is_ok));
    let cluster = Arc::new(cluster);
    let callers = (0..300).map(|n| {
        let cluster = cluster.clone();
        async move {
            let text = format!("caller {n}");
            assert_eq!(cluster.send(b"key", Line::Echo(text.clone())).await.unwrap(), text);
        }
    });
    futures_util::future::join_all(callers).await;
    let lacking = cluster.send(b"key", Line::EchoOf("another")).await.unwrap_err();
    assert_eq!((lacking.kind(), lacking.outcome()), (ErrorKind::Unsupported, Outcome::NotSent));
    assert_eq!(cluster.send(b"key", Line::EchoOf("echo-server")).await.unwrap(), "echo-server");
    let lost = cluster.send(b"key", Line::Stop).await.unwrap_err();
    assert_eq!((lost.kind(), lost.outcome()), (ErrorKind::ConnectionLost, Outcome::Unknown));
    assert_eq!(cluster.send_to_server(0, Line::Echo("again".to_owned())).await.unwrap(), "again");
    assert_eq!(cluster.stats(0).opened, 2);
    cluster.close(std::time::Duration::from_secs(5)).await;
    let closed = cluster.send(b"key", Line::Echo(String::new())).await.unwrap_err();
    assert_eq!(closed.kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn another_protocol_runs_over_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Server::tcp(&listener.local_addr().unwrap().to_string()).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    check(server, patient()).await;
}

#[tokio::test]
async fn another_protocol_runs_over_a_unix_socket() {
    let path = std::env::temp_dir().join(format!("memlink-lines-{}.sock", std::process::id()));
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    check(Server::unix(&path), patient()).await;
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test]
async fn another_protocol_runs_over_a_stream_of_ones_own() {
    check(Server::tcp("anywhere").unwrap(), patient().connector(InMemory)).await;
}
