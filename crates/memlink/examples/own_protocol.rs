//! Another protocol on memlink's connections: pipelining, reconnects, deadlines and routing without memcached.
//!
//! ```text
//!   add <serial> <a> <b>     ->     <serial> <sum>
//! ```
//!
//! A protocol of one's own takes two implementations. [`Protocol`] says how a connection opens and where a reply ends, [`Command`]
//! how a command is written and what its reply means. Run it with `cargo run --example own_protocol`; it brings its own server.

use memlink::generic::{Ask, Cluster, Command, Encoder, Frame, Malformed, Protocol, Refusal, Reply, Step, Verdict};
use memlink::{Broken, Limits, Server, Settings};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// The protocol itself holds what is configured: here, nothing.
struct Calculator;

/// What the reply to a command must look like; all look the same here.
struct Sum;

impl Protocol for Calculator {
    type Expect = Sum;
    type State = ();
    type Peer = ();

    /// The server says nothing of itself, so the connection is ready at once.
    fn open(&self, (): &mut (), _reply: Option<&Frame>, _out: &mut Encoder<'_>) -> Result<Step<Sum, ()>, Refusal> {
        Ok(Step::Ready(()))
    }

    /// Finds the end of the reply and makes sure that it belongs to the command whose turn it is. It reads no values.
    fn frame(&self, (): &mut (), ask: Option<Ask<'_, Sum>>, input: &[u8], limits: &Limits) -> Verdict {
        let Some(ask) = ask else { return Verdict::Broken(Broken::Unsolicited) };
        match input.iter().position(|byte| *byte == b'\n') {
            None if input.len() > limits.line_len_max => Verdict::Broken(Broken::LineTooLong),
            None => Verdict::More { total: input.len() + 1 },
            // Any doubt closes the connection: a wrong reply is worse than none.
            Some(_) if !input.starts_with(format!("{} ", ask.serial).as_bytes()) => {
                Verdict::Broken(Broken::OutOfPlace("the serial of another command"))
            }
            Some(end) => Verdict::Reply { len: end + 1, tail: 1 },
        }
    }
}

struct Add(u32, u32);

impl Command<Calculator> for Add {
    type Output = u64;

    fn size_hint(&self) -> usize {
        48
    }

    /// `serial` counts the commands of a connection.
    fn encode(&self, (): &(), serial: u64, out: &mut Encoder<'_>) -> Sum {
        out.put(format!("add {serial} {} {}\n", self.0, self.1).as_bytes());
        Sum
    }

    /// Runs in the task of whoever asked.
    fn decode(&self, reply: Reply) -> Result<u64, Malformed> {
        let Reply::One(frame) = reply else { return Err(Malformed { what: "a reply is one line" }) };
        let line = std::str::from_utf8(frame.as_slice()).unwrap_or_default();
        let sum = line.split(' ').nth(1).and_then(|sum| sum.parse().ok());
        sum.ok_or(Malformed { what: "a sum is a number" })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let server = Server::tcp(&listener.local_addr()?.to_string())?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(calculate(stream));
        }
    });

    let cluster = Cluster::new(Calculator, [server], Settings::default())?;
    // All of them share one connection, and leave in one write.
    let additions = (0..1_000).map(|n| cluster.send(b"the bytes that route it", Add(n, 1)));
    let sums = futures_util::future::try_join_all(additions).await?;
    assert!(sums.iter().zip(1..).all(|(sum, want)| *sum == want));
    let counters = cluster.stats(0);
    println!("{} sums over {} connection", counters.replied, counters.opened);
    Ok(())
}

/// The server's side.
async fn calculate(stream: TcpStream) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let number = |at: usize| words.get(at).and_then(|word| word.parse::<u64>().ok()).unwrap_or_default();
        let reply = format!("{} {}\n", number(1), number(2) + number(3));
        stream.write_all(reply.as_bytes()).await?;
        line.clear();
    }
    Ok(())
}
