//! Prints the server of each key, as another client would choose it: to be compared with that client's own answers.
//!
//! ```text
//! cargo run -p memlink-ring --example where -- --scheme ketama --server a:11211 --server b:11311:2 user:1 user:2
//! cargo run -p memlink-ring --example where -- --list
//! ```
//!
//! Without keys they are read from standard input, one a line. `--help` tells the rest.

mod arguments;
mod json;

use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use arguments::{Arguments, Order};
use memlink_ring::schemes::{Scheme, SchemeRing, Server};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads has seen enough.
        Err(Failure::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(Failure::Io(error)) => failed(&error.to_string()),
        Err(Failure::Usage(error)) => failed(&error),
    }
}

fn failed(error: &str) -> ExitCode {
    eprintln!("where: {error}; --help tells how to ask");
    ExitCode::from(2)
}

enum Failure {
    Usage(String),
    Io(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Io(error)
    }
}

fn run() -> Result<(), Failure> {
    let order = arguments::read(std::env::args().skip(1)).map_err(Failure::Usage)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    match order {
        Order::Help => out.write_all(arguments::HELP.as_bytes())?,
        Order::List => Scheme::names().iter().try_for_each(|name| writeln!(out, "{name}"))?,
        Order::Find(arguments) => find(&arguments, &mut out)?,
    }
    Ok(out.flush()?)
}

fn find(arguments: &Arguments, out: &mut impl Write) -> Result<(), Failure> {
    let ring = arguments.scheme.ring(&arguments.servers).map_err(|error| Failure::Usage(error.to_string()))?;
    let mut told = Teller { arguments, ring, served: vec![0; arguments.servers.len()], out };
    if arguments.keys.is_empty() {
        for line in io::stdin().lock().split(b'\n') {
            let line = line?;
            told.tell(line.strip_suffix(b"\r").unwrap_or(&line))?;
        }
    } else {
        arguments.keys.iter().try_for_each(|key| told.tell(key.as_bytes()))?;
    }
    Ok(told.sum_up()?)
}

struct Teller<'a, W> {
    arguments: &'a Arguments,
    ring: SchemeRing,
    /// How many keys each server has had.
    served: Vec<u64>,
    out: &'a mut W,
}

impl<W: Write> Teller<'_, W> {
    fn tell(&mut self, key: &[u8]) -> io::Result<()> {
        let place = self.ring.route(key);
        if let Some(served) = self.served.get_mut(place) {
            *served += 1;
        }
        let server = self.arguments.servers.get(place).map(name).unwrap_or_default();
        let scheme = self.arguments.scheme.name();
        if self.arguments.json {
            let (key, server, scheme) = (json::bytes(key), json::text(&server), json::text(&scheme));
            return writeln!(self.out, "{{\"key\":{key},\"server\":{server},\"index\":{place},\"scheme\":{scheme}}}");
        }
        writeln!(self.out, "{server}\t{}", String::from_utf8_lossy(key).escape_debug())
    }

    /// With `--shares`: what each server has, after all keys.
    fn sum_up(&mut self) -> io::Result<()> {
        if !self.arguments.shares {
            return Ok(());
        }
        let sum = self.served.iter().sum::<u64>().max(1) as f64;
        for (server, keys) in self.arguments.servers.iter().zip(&self.served) {
            let share = *keys as f64 / sum;
            if self.arguments.json {
                let server = json::text(&name(server));
                writeln!(self.out, "{{\"server\":{server},\"keys\":{keys},\"share\":{share:.4}}}")?;
            } else {
                writeln!(self.out, "{}\t{keys} keys\t{:.1} %", name(server), share * 100.0)?;
            }
        }
        Ok(())
    }
}

fn name(server: &Server) -> String {
    match server.host().contains(':') {
        true => format!("[{}]:{}", server.host(), server.port()),
        false => format!("{}:{}", server.host(), server.port()),
    }
}
