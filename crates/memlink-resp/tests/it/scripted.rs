//! A stranger that answers what it is told to.

use std::sync::{Arc, Mutex};

use memlink_resp::{Builder, Redis};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::redis::patient;

/// Answers the first bytes of a connection with the first text, the next with the second, and so on, then nothing more. Every connection
/// is treated alike.
pub(crate) struct Scripted {
    address: String,
    /// What came, of all connections.
    received: Arc<Mutex<Vec<u8>>>,
}

impl Scripted {
    pub(crate) async fn start(answers: &'static [&'static str]) -> Scripted {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let received = Arc::new(Mutex::new(Vec::new()));
        let seen = received.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let seen = seen.clone();
                tokio::spawn(async move {
                    let mut answers = answers.iter();
                    let mut bytes = [0; 4096];
                    while let Ok(n @ 1..) = stream.read(&mut bytes).await {
                        seen.lock().expect("nobody panics").extend_from_slice(&bytes[..n]);
                        let answer = answers.next().map_or("", |answer| answer);
                        if stream.write_all(answer.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Scripted { address, received }
    }

    pub(crate) fn builder(&self) -> Builder {
        Redis::builder().tcp(&self.address).expect("an address").settings(patient())
    }

    pub(crate) fn received(&self) -> String {
        String::from_utf8_lossy(&self.received.lock().expect("nobody panics")).into_owned()
    }
}
