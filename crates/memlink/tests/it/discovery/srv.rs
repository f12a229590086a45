//! SRV records, from a name server that knows one name.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use memlink::Settings;
use memlink::discovery::{Discover as _, DiscoveryError, Srv};
use tokio::net::UdpSocket;

use super::told::{Events, servers};
use crate::show::Show as _;
use crate::wait::until;

const NAME: &str = "_memcache._tcp.cache.test";

/// What it answers.
#[derive(Clone)]
enum Answer {
    /// Priority, weight, port, target.
    Records(Vec<(u16, u16, u16, &'static str)>),
    /// An error's number: 2 for a server that failed, 3 for no such name.
    Error(u8),
    /// Bytes behind the question's number.
    Garbage(&'static [u8]),
}

struct NameServer {
    address: SocketAddr,
    answer: Arc<Mutex<Answer>>,
}

impl NameServer {
    /// Its task ends with the test's runtime.
    async fn start(answer: Answer) -> NameServer {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let server = NameServer { address: socket.local_addr().unwrap(), answer: Arc::new(Mutex::new(answer)) };
        let answer = server.answer.clone();
        tokio::spawn(async move {
            let mut question = [0; 1024];
            while let Ok((len, from)) = socket.recv_from(&mut question).await {
                let message = message(&question[..len], &answer.lock().unwrap().clone());
                let _ = socket.send_to(&message, from).await;
            }
        });
        server
    }

    fn set(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    fn source(&self) -> Srv {
        Srv::new(&format!("{NAME}.")).unwrap().name_server(self.address)
    }

    async fn ask(&self) -> Result<Vec<String>, DiscoveryError> {
        let found = self.source().discover(&Settings::default()).await?;
        Ok(found.iter().map(|server| format!("{}*{}", server.name(), server.weighs())).collect())
    }
}

/// A message of DNS (RFC 1035) that answers one question.
fn message(question: &[u8], answer: &Answer) -> Vec<u8> {
    let name_len = question[12..].iter().position(|byte| *byte == 0).expect("a name ends") + 1;
    let asked = &question[12..12 + name_len + 4];
    let (error, records) = match answer {
        Answer::Records(records) => (0, records.as_slice()),
        Answer::Error(number) => (*number, &[][..]),
        Answer::Garbage(bytes) => return [&question[..2], bytes].concat(),
    };
    let mut message = question[..2].to_vec();
    message.extend([0x85, 0x80 | error, 0, 1]);
    message.extend((records.len() as u16).to_be_bytes());
    message.extend([0, 0, 0, 0]);
    message.extend(asked);
    for (priority, weight, port, target) in records {
        let mut data: Vec<u8> = [priority, weight, port].into_iter().flat_map(|number| number.to_be_bytes()).collect();
        for label in target.split('.').filter(|label| !label.is_empty()) {
            data.push(label.len() as u8);
            data.extend(label.as_bytes());
        }
        data.push(0);
        // The name of the question, SRV, IN, good for no time.
        message.extend([0xc0, 12, 0, 33, 0, 1, 0, 0, 0, 0]);
        message.extend((data.len() as u16).to_be_bytes());
        message.extend(data);
    }
    message
}

#[tokio::test]
async fn records_are_asked_and_used_as_the_table_says() {
    let records = vec![(5, 20, 11212, "Cache-2.test"), (5, 10, 11211, "cache-1.test"), (9, 1, 1, "reserve.test")];
    let server = NameServer::start(Answer::Records(records)).await;
    assert_eq!(server.ask().await.unwrap(), ["cache-1.test:11211*10", "cache-2.test:11212*20"]);
    server.set(Answer::Records(vec![(0, 0, 7, "a.test"), (0, 0, 7, "b.test")]));
    assert_eq!(server.ask().await.unwrap(), ["a.test:7*1", "b.test:7*1"], "it is asked anew each time");
}

#[tokio::test]
async fn answers_that_cannot_be_used_are_errors() {
    let server = NameServer::start(Answer::Error(3)).await;
    for (answer, part) in [
        (Answer::Error(3), ""),
        (Answer::Error(2), ""),
        (Answer::Records(Vec::new()), ""),
        (Answer::Records(vec![(0, 0, 0, ".")]), "no server"),
        (Answer::Records(vec![(0, 1, 0, "a.test")]), "port 0"),
        (Answer::Records(vec![(0, 1, 5, "a.test"), (0, 1, 0, "b.test")]), "port 0"),
    ] {
        server.set(answer);
        let error = server.ask().await.expect_err(part).to_string();
        assert!(error.contains(part) && !error.is_empty(), "{part}: {error}");
    }
    server.set(Answer::Garbage(b"\xff\xff\xff garbage"));
    assert!(server.ask().await.is_err());
}

#[tokio::test]
async fn a_client_follows_its_records() {
    let ([one, other], events) = (servers().await, Events::default());
    let (first, second) = (one.addr().port(), other.addr().port());
    let both = |weight| Answer::Records(vec![(0, 5, first, "localhost"), (0, weight, second, "localhost")]);
    let server = NameServer::start(both(5)).await;
    let builder = events.builder().discover(server.source()).discovery_interval(Duration::from_millis(10));
    let client = builder.connect().await.unwrap();
    let weights = || -> Vec<u32> {
        let mut servers: Vec<_> = client.cluster().topology().servers().cloned().collect();
        servers.sort_by_key(|server| server.name() != format!("localhost:{first}"));
        servers.iter().map(memlink::Server::weighs).collect()
    };
    assert_eq!(weights(), [5, 5]);
    server.set(both(0));
    until("the other one is to have no keys", || weights() == [5, 0]).await;
    for n in 0..100 {
        let name = client.server_of(format!("key-{n}")).unwrap();
        assert_eq!(name, format!("localhost:{first}"));
    }
    server.set(Answer::Error(3));
    until("no such name is told", || events.have("no new list of servers")).await;
    assert_eq!(weights(), [5, 0]);
    assert_eq!(client.get("key").await.show(), "none");
}
