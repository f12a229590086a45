//! A protocol of one's own on memlink's connections: `add <serial> <a> <b>` is answered by `<serial> <sum>`.
//! Every step is explained in `docs/own-protocol.md`. Run it with `cargo run --example own_protocol`; it brings its own server.

use memlink::generic::{Ask, Cluster, Command, Encoder, Frame, Malformed, Protocol, Refusal, Reply, Step, Verdict};
use memlink::{Broken, Limits, Server, Settings};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

struct Calculator;
impl Protocol for Calculator {
    type Expect = ();
    type State = ();
    type Peer = ();

    fn open(&self, (): &mut (), _reply: Option<&Frame>, _out: &mut Encoder<'_>) -> Result<Step<(), ()>, Refusal> {
        Ok(Step::Ready(()))
    }
    fn frame(&self, (): &mut (), ask: Option<Ask<'_, ()>>, input: &[u8], limits: &Limits) -> Verdict {
        let Some(ask) = ask else { return Verdict::Broken(Broken::Unsolicited) };
        match input.iter().take(limits.line_len_max).position(|byte| *byte == b'\n') {
            None if input.len() >= limits.line_len_max => Verdict::Broken(Broken::LineTooLong),
            None => Verdict::More { total: input.len() + 1 },
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

    fn encode(&self, (): &(), serial: u64, out: &mut Encoder<'_>) {
        out.put(format!("add {serial} {} {}\n", self.0, self.1).as_bytes());
    }

    fn decode(&self, reply: Reply) -> Result<u64, Malformed> {
        let Reply::One(frame) = reply else { return Err(Malformed { what: "a reply is one line" }) };
        let sum = std::str::from_utf8(frame.as_slice()).ok().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        sum.ok_or(Malformed { what: "a sum is a number" })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let server = Server::tcp(&listener.local_addr()?.to_string())?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    let cluster = Cluster::new(Calculator, [server], Settings::default())?;
    let additions = (0..1_000).map(|n| cluster.send(b"the bytes that route it", Add(n, 1)));
    let sums = futures_util::future::try_join_all(additions).await?;
    assert!(sums.iter().zip(1..).all(|(sum, want)| *sum == want));
    println!("{} sums over {} connection", cluster.stats(0).replied, cluster.stats(0).opened);
    Ok(())
}

/// The server's side.
async fn serve(stream: TcpStream) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    while let Some(line) = lines.next_line().await? {
        let words: Vec<u64> = line.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect();
        if let [serial, a, b] = words[..] {
            write.write_all(format!("{serial} {}\n", a + b).as_bytes()).await?;
        }
    }
    Ok(())
}
