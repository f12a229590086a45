//! The command line around the embedded memcached. It stays in the foreground
//! and stops on SIGINT, SIGTERM, SIGUSR1, or when a client says `shutdown` to a
//! server started with `-A`.

#![forbid(unsafe_code)]

mod options;

use memlink_testserver::TestServer;
use options::{Asked, Options};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// memcached's exit code for a command line it cannot use.
const USAGE: u8 = 64;

fn main() -> ExitCode {
    match options::read(std::env::args().skip(1)) {
        Ok(Asked::Help) => print(options::HELP),
        Ok(Asked::Version(version)) => print(&format!("memcached {}\n", version.text())),
        Ok(Asked::Serve(options)) => match serve(*options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                complain(&error.to_string());
                ExitCode::FAILURE
            }
        },
        Err(text) => {
            complain(&text);
            ExitCode::from(USAGE)
        }
    }
}

fn serve(options: Options) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Handlers first: a signal that comes at once must not kill halfway.
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut graceful = signal(SignalKind::user_defined1())?;
        let mut again = signal(SignalKind::hangup())?;
        let builder = TestServer::builder()
            .settings(options.settings)
            .port(options.port)
            .bind(options.addresses)
            .unix_mode(options.unix_mode)
            .faults(options.faults)
            .seed(options.seed);
        let builder = match options.socket_buffers {
            Some(bytes) => builder.socket_buffers(bytes),
            None => builder,
        };
        let builder = match options.unix {
            Some(path) => builder.unix_socket(path),
            None => builder,
        };
        let server = builder.start().await?;
        write_port_file(&server)?;
        loop {
            tokio::select! {
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
                _ = graceful.recv() => break,
                _ = again.recv() => read_users(options.auth_file.as_deref(), &server),
                () = server.stopped() => break,
            }
        }
        for handle in server.faults().handles() {
            complain(&format!("{} struck {} times", handle.fault(), handle.injected()));
        }
        server.stop();
        Ok(())
    })
}

/// Who may use the server from now on. A file that cannot be used changes nothing.
fn read_users(path: Option<&str>, server: &TestServer) {
    match path.map(options::users) {
        None => {}
        Some(Ok(users)) => server.set_users(users),
        Some(Err(text)) => complain(&text),
    }
}

/// Tells the port to whoever chose it to be free. The file appears whole: it is
/// written under another name first.
fn write_port_file(server: &TestServer) -> io::Result<()> {
    let Some(path) = std::env::var_os("MEMCACHED_PORT_FILENAME") else { return Ok(()) };
    let mut unfinished = path.clone();
    unfinished.push(".lck");
    let unfinished = PathBuf::from(unfinished);
    let port = server.addr().port();
    if port != 0 {
        std::fs::write(&unfinished, format!("TCP INET: {port}\n"))?;
        std::fs::rename(&unfinished, path)?;
    }
    Ok(())
}

fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader closed early, as `head` does.
        Err(_) => ExitCode::FAILURE,
    }
}

fn complain(text: &str) {
    // There is nowhere else to complain to if this fails.
    let _ = writeln!(io::stderr(), "memlink-testserver: {text}");
}
