//! Each fault as it is on the wire, byte by byte, and counted.

mod arrival;
mod chance;
mod log;
mod replies;
mod server;
mod way;

use memlink_testserver::{Fault, FaultHandle, TestServer};
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

/// Nothing here takes this long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(10);

fn server(fault: Fault) -> (TestServer, FaultHandle) {
    let server = TestServer::builder().record().fault(fault).start_blocking().expect("starts");
    let handle = server.faults().handles().remove(0);
    (server, handle)
}

fn connect(server: &TestServer) -> TcpStream {
    let stream = TcpStream::connect(server.addr()).expect("the server accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("can be set");
    stream
}

/// What a stream says until it ends, and how it ends.
fn rest(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    let end = match stream.read_to_end(&mut said) {
        Ok(_) => "FIN",
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => "RST",
        Err(error) => panic!("{error}, after {said:?}"),
    };
    format!("{}{end}", String::from_utf8_lossy(&said))
}

/// What comes back for all of `lines`, written at once and followed by `quit`.
fn talk(server: &TestServer, lines: &str) -> String {
    let mut stream = connect(server);
    stream.write_all(lines.as_bytes()).expect("the server reads");
    // Where the connection ends before, nobody reads this.
    let _ = stream.write_all(b"quit\r\n");
    rest(&mut stream)
}

/// So many bytes.
fn hear(stream: &mut TcpStream, len: usize) -> String {
    let mut said = vec![0; len];
    stream.read_exact(&mut said).expect("the server says as much");
    String::from_utf8(said).expect("text")
}

/// Says something, and hears so many bytes.
fn say(stream: &mut TcpStream, line: &str, len: usize) -> String {
    stream.write_all(line.as_bytes()).expect("the server reads");
    hear(stream, len)
}

/// A client of a server that is attended to in the test's own runtime, where the
/// clock is paused.
fn attended(server: &TestServer) -> DuplexStream {
    let (client, far) = tokio::io::duplex(1 << 16);
    tokio::spawn(server.attend(far));
    client
}

async fn say_there(client: &mut DuplexStream, line: &str, len: usize) -> String {
    client.write_all(line.as_bytes()).await.expect("the server reads");
    hear_there(client, len).await
}

async fn hear_there(client: &mut DuplexStream, len: usize) -> String {
    let mut said = vec![0; len];
    client.read_exact(&mut said).await.expect("the server says as much");
    String::from_utf8(said).expect("text")
}
