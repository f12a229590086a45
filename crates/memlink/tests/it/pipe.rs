//! Streams in memory: the test holds the server's end and says itself what is answered, and when.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use memlink::generic::{ConnectFuture, Connector, Stream};
use memlink::{Address, Builder, Client, Server, Settings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::mpsc;

/// What becomes of a dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialled {
    /// The test is given the other end.
    Accepted,
    /// The same; the other end has said this before anything else.
    Greeted(&'static str),
    Refused,
    /// No answer.
    Swallowed,
}

/// The connector, and where the test finds the ends of its connections.
pub(crate) struct Pipes {
    ends: mpsc::UnboundedReceiver<End>,
    state: Arc<State>,
}

struct State {
    ends: mpsc::UnboundedSender<End>,
    buffer_len: usize,
    dialled: Mutex<Dialled>,
    dials: AtomicUsize,
}

#[derive(Clone)]
struct Dialer(Arc<State>);

impl Connector for Dialer {
    fn connect(&self, address: &Address) -> ConnectFuture {
        let address = address.to_string();
        self.0.dials.fetch_add(1, Ordering::SeqCst);
        let dialled = *self.0.dialled.lock().unwrap();
        let state = self.0.clone();
        Box::pin(async move {
            match dialled {
                Dialled::Accepted | Dialled::Greeted(_) => {
                    let (near, mut far) = tokio::io::duplex(state.buffer_len);
                    if let Dialled::Greeted(text) = dialled {
                        far.write_all(text.as_bytes()).await?;
                    }
                    state
                        .ends
                        .send(End { stream: far, address })
                        .map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
                    Ok(Box::pin(near) as Pin<Box<dyn Stream>>)
                }
                Dialled::Refused => Err(io::ErrorKind::ConnectionRefused.into()),
                Dialled::Swallowed => std::future::pending().await,
            }
        })
    }
}

impl Pipes {
    /// Each direction holds so many bytes, and no more until they are read.
    pub(crate) fn new(buffer_len: usize) -> Pipes {
        let (sender, ends) = mpsc::unbounded_channel();
        let dialled = Mutex::new(Dialled::Accepted);
        Pipes { ends, state: Arc::new(State { ends: sender, buffer_len, dialled, dials: AtomicUsize::new(0) }) }
    }

    pub(crate) fn settings(&self, settings: Settings) -> Settings {
        settings.connector(Dialer(self.state.clone()))
    }

    /// A client whose lines carry no opaque, so that they can be written down.
    pub(crate) fn client(&self, settings: Settings) -> Client {
        self.builder(settings).build().expect("a client")
    }

    pub(crate) fn builder(&self, settings: Settings) -> Builder {
        let server = Server::tcp("in-memory").expect("an address");
        Client::builder().server(server).opaque(false).settings(self.settings(settings))
    }

    pub(crate) fn set(&self, dialled: Dialled) {
        *self.state.dialled.lock().unwrap() = dialled;
    }

    pub(crate) fn dials(&self) -> usize {
        self.state.dials.load(Ordering::SeqCst)
    }

    /// The next connection, before a word was said.
    pub(crate) async fn accept(&mut self) -> End {
        self.ends.recv().await.expect("the client is there")
    }

    /// The next connection, after the opening exchange.
    pub(crate) async fn open(&mut self) -> End {
        let mut end = self.accept().await;
        end.greet().await;
        end
    }
}

/// The server's end of one connection.
pub(crate) struct End {
    stream: DuplexStream,
    address: String,
}

impl End {
    /// What the client has dialled.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The opening exchange.
    pub(crate) async fn greet(&mut self) {
        self.expect("version\r\n").await;
        self.say("VERSION 1.6.45\r\n").await;
        self.expect("mg memlink:probe s Oprobe\r\n").await;
        self.say("EN Oprobe\r\n").await;
    }

    /// Reads exactly this.
    pub(crate) async fn expect(&mut self, text: &str) {
        let mut bytes = vec![0; text.len()];
        let read = self.stream.read_exact(&mut bytes).await;
        assert!(read.is_ok(), "the client closed instead of {text:?}");
        assert_eq!(String::from_utf8_lossy(&bytes), text);
    }

    /// Reads whatever is there; `None` when the client has closed.
    pub(crate) async fn some_or_end(&mut self) -> Option<String> {
        let mut bytes = vec![0; 1 << 16];
        let n = self.stream.read(&mut bytes).await.expect("a stream in memory has no errors");
        (n > 0).then(|| String::from_utf8_lossy(&bytes[..n]).into_owned())
    }

    pub(crate) async fn some(&mut self) -> String {
        self.some_or_end().await.expect("the client writes")
    }

    pub(crate) async fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.expect("the client reads");
    }

    /// Nothing comes for a while.
    pub(crate) async fn expect_nothing(&mut self, time: Duration) {
        let read = tokio::time::timeout(time, self.stream.read_u8()).await;
        assert!(read.is_err(), "something came: {read:?}");
    }

    /// The client closes without another byte.
    pub(crate) async fn expect_end(&mut self) {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).await.expect("an end");
        assert_eq!(String::from_utf8_lossy(&rest), "");
    }
}
