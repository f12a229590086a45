use std::time::Duration;

use bytes::{Bytes, BytesMut};
use memlink_testserver::{Cache, Session, Settings, Step, Version};

use super::socket::Wired;
use super::{Next, World};
use crate::fault::Fault;
use crate::keys::Keys;
use crate::value::read_number;
use crate::wire::{End, Written};

/// One simulated memcached: the embedded server's own conversations and items, with nobody's sockets and nobody's clock.
pub(crate) struct Server {
    pub(crate) cache: Cache,
    pub(crate) is_up: bool,
    pub(crate) frozen_until: u64,
    /// It is a proxy, and what is behind it is away.
    pub(crate) away_until: u64,
    version: Version,
}

/// Unix time at the start of a history.
const EPOCH: Duration = Duration::from_secs(1_700_000_000);

/// The largest item; a value that is too large is a little longer.
pub(crate) const ITEM_BYTES_MAX: usize = 64 << 10;

/// What a proxy says when it cannot reach what is behind it.
const NO_BACKEND: &[u8] = b"SERVER_ERROR backend failure\r\n";

/// What every connection asks for before it serves.
const PROBE_KEY: &[u8] = b"memlink:probe";

impl Server {
    pub(super) fn new(version: Version) -> Server {
        Server { cache: empty(version, 0), is_up: true, frozen_until: 0, away_until: 0, version }
    }

    pub(super) fn restart(&mut self, now: u64) {
        self.cache = empty(self.version, now);
        (self.frozen_until, self.away_until) = (0, 0);
    }
}

fn empty(version: Version, now: u64) -> Cache {
    let mut settings = Settings::default();
    (settings.version, settings.evicts, settings.item_bytes_max) = (version, false, ITEM_BYTES_MAX);
    Cache::new(settings, EPOCH + Duration::from_nanos(now))
}

/// What lies at the start of the commands that have arrived.
enum Command {
    Whole(usize),
    Part,
    /// No client that is sane writes this.
    Malformed,
}

impl Command {
    /// Where the first command ends: the only thing that the simulator reads of commands by itself.
    fn read(input: &[u8]) -> Command {
        let Some(end) = input.iter().position(|byte| *byte == b'\n') else { return Command::Part };
        let line = &input[..end];
        let known: [&[u8]; 7] = [b"mg ", b"ms ", b"md ", b"ma ", b"mn\r", b"get ", b"version\r"];
        if !known.iter().any(|word| line.starts_with(word)) || line.last() != Some(&b'\r') {
            return Command::Malformed;
        }
        let Some(rest) = line.strip_prefix(b"ms ") else { return Command::Whole(end + 1) };
        let len = rest.split(|byte| *byte == b' ').nth(1).and_then(read_number).map(|(len, _)| len as usize);
        let Some(len) = len.filter(|len| *len <= 2 * ITEM_BYTES_MAX) else { return Command::Malformed };
        match input.get(end + 1 + len..end + 1 + len + 2) {
            None => Command::Part,
            Some(b"\r\n") => Command::Whole(end + 1 + len + 2),
            Some(_) => Command::Malformed,
        }
    }
}

impl World {
    /// A new connection; its end at the server may be no good.
    pub(crate) fn accept(&mut self, link: usize, server: usize) -> usize {
        let n = self.wired.len();
        let slot = self.links[link].slot;
        let session = Session::new(&mut self.servers[server].cache);
        let mut wired = Wired::new(link, server, self.now, self.rules.window, Some(session));
        if self.now < self.servers[server].frozen_until {
            wired.suffered.silence = true;
            let thaws = self.servers[server].frozen_until;
            self.at(thaws, Next::Serve(n));
        }
        let fault = self.armed[slot].accepts.pop_front();
        self.wired.push(wired);
        match fault {
            Some(fault @ Fault::AcceptSilent) => {
                self.report.injected.note(fault);
                self.wired[n].suffered.silence = true;
                self.wired[n].frozen_until = u64::MAX;
            }
            Some(fault) => {
                self.report.injected.note(fault);
                self.wired[n].output.extend_from_slice(b"ERROR Too many open connections\r\n");
                self.wired[n].suffered.altered = true;
                self.flush(n);
                self.end_server(n, End::Finished);
            }
            None => {}
        }
        n
    }

    pub(super) fn arrive_up(&mut self, n: usize) {
        let now = self.now;
        self.wired[n].up.land(now);
        self.serve(n);
    }

    /// The server's end works off what has arrived, as memcached does: while it has to write it does not read.
    pub(super) fn serve(&mut self, n: usize) {
        while self.violation.is_none() {
            let server = self.wired[n].server;
            let is_frozen = self.now < self.wired[n].frozen_until.max(self.servers[server].frozen_until);
            if self.wired[n].session.is_none() || is_frozen {
                return;
            }
            self.flush(n);
            let wired = &mut self.wired[n];
            if !wired.output.is_empty() {
                return;
            }
            if !wired.up.arrived().is_empty() {
                let arrived = wired.up.read_all();
                wired.input.extend_from_slice(&arrived);
                self.wake_writer(n);
            }
            match Command::read(&self.wired[n].input) {
                Command::Whole(len) => self.execute(n, len),
                Command::Part if self.wired[n].up.ended.is_some() => return self.end_server(n, End::Finished),
                Command::Part => return,
                Command::Malformed => {
                    let shown =
                        self.wired[n].input.get(..80).unwrap_or(&self.wired[n].input).escape_ascii().to_string();
                    self.violate("P13", format!("the server reads what nobody has written whole: {shown}"));
                }
            }
        }
    }

    fn execute(&mut self, n: usize, len: usize) {
        let now = EPOCH + Duration::from_nanos(self.now);
        let wired = &mut self.wired[n];
        let mut command = wired.input.split_to(len);
        let line_len = command.iter().position(|byte| *byte == b'\r').unwrap_or(0);
        let line = Bytes::copy_from_slice(&command[..line_len]);
        if self.now < self.servers[wired.server].away_until && is_of_backend(&line) {
            return self.refuse(n, &line);
        }
        let wired = &mut self.wired[n];
        let mut said = BytesMut::new();
        let Some(session) = &mut wired.session else { return };
        loop {
            let step = session.handle(&mut self.servers[wired.server].cache, now, &mut command, &mut said);
            if step != Step::WriteOutput && (command.is_empty() || step != Step::NeedInput) {
                break;
            }
        }
        self.report.executed += 1;
        if let Some(n) = self.find_operation(n, &line) {
            let operation = &mut self.operations[n];
            operation.executions += 1;
            operation.said = Some(Bytes::copy_from_slice(&said));
            self.judge_twice(n);
        }
        self.answer(n, said);
    }

    /// A proxy whose server is away: it does nothing, and says so.
    fn refuse(&mut self, n: usize, line: &[u8]) {
        if let Some(n) = self.find_operation(n, line) {
            let operation = &mut self.operations[n];
            operation.refusals += 1;
            operation.said = Some(Bytes::from_static(NO_BACKEND));
            self.judge_twice(n);
        }
        self.answer(n, BytesMut::from(NO_BACKEND));
    }

    /// Nothing is sent twice that a server has had whole once.
    fn judge_twice(&mut self, n: usize) {
        let operation = &self.operations[n];
        let (number, arrivals) = (operation.ask.number, operation.arrivals());
        if arrivals > 1 {
            self.violate("P4", format!("operation {number} has arrived {arrivals} times"));
        }
    }

    /// Whose command this is, for the server's log, which nothing of the client's can touch.
    fn find_operation(&mut self, n: usize, line: &[u8]) -> Option<usize> {
        let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        // A get of the opening exchange is nobody's.
        let is_asked = |key: &&&[u8]| line.starts_with(b"m") && **key != PROBE_KEY;
        let key = words.get(1).filter(is_asked)?;
        let server = self.wired[n].server;
        if Keys::shared().owner(key) != server {
            self.violate("P15", format!("server {server} is asked for {}", key.escape_ascii()));
        }
        let flag = |letter: &[u8]| words.iter().skip(2).find_map(|word| word.strip_prefix(letter));
        let by_number = flag(b"L").and_then(read_number).and_then(|(number, _)| self.numbers.get(&number).copied());
        let serial = || flag(b"O").and_then(serial_of);
        let by_serial = || {
            let serial = serial()?;
            self.wired[n].serials.iter().find(|(known, _)| *known == serial).map(|(_, operation)| *operation)
        };
        let operation = by_number.or_else(by_serial);
        if operation.is_none() {
            self.violate("P4", format!("nobody's command is executed: {}", line.escape_ascii()));
        }
        operation
    }

    /// Gives a reply, or what the faults that wait for one make of it.
    fn answer(&mut self, n: usize, said: BytesMut) {
        let slot = self.links[self.wired[n].link].slot;
        let wired = &mut self.wired[n];
        if let Some(held) = wired.held.take() {
            // Two that are alike and confirm no place are not told from one another.
            let (one, other) = (Confirmed::of(&held), Confirmed::of(&said));
            let is_told = one != other || one == Confirmed::Opaque;
            wired.suffered.alterations += u32::from(is_told);
            let order = if is_told { [&said, &held] } else { [&held, &said] };
            order.iter().for_each(|reply| wired.output.extend_from_slice(reply));
            return;
        }
        let mut said = said;
        let fault = self.armed[slot].replies.front().copied();
        let is_current = self.links[self.wired[n].link].wired == Some(n);
        if let Some(fault) = fault
            && is_current
            && self.alter(n, fault, &mut said)
        {
            self.armed[slot].replies.pop_front();
            self.report.injected.note(fault);
            self.wired[n].suffered.altered = true;
            self.wired[n].suffered.alterations += u32::from(fault != Fault::Swapped);
        }
        self.wired[n].output.extend_from_slice(&said);
    }

    /// What a fault makes of one reply; `false` when it is not one that it can be done to.
    fn alter(&mut self, n: usize, fault: Fault, said: &mut BytesMut) -> bool {
        match fault {
            Fault::Duplicate => said.extend_from_slice(&said.clone()),
            Fault::Missing => said.clear(),
            Fault::Swapped => self.wired[n].held = Some(std::mem::take(said)),
            Fault::Forged => {
                let forged = match self.dice.below(4) {
                    0 => "VA 3 O____\r\nabc\r\n",
                    1 => "EN O____\r\n",
                    2 => "HD\r\n",
                    _ => "HD O____ c7\r\n",
                };
                *said = BytesMut::from(forged);
            }
            Fault::ForgedError => {
                let line = ["SERVER_ERROR forged\r\n", "CLIENT_ERROR forged\r\n", "ERROR\r\n"][self.dice.index(3)];
                let mut forged = BytesMut::from(line);
                forged.extend_from_slice(said);
                *said = forged;
            }
            Fault::WrongLength => return lengthen(said, self.dice.between(1, 9)),
            Fault::BadLineEnd => {
                let Some(at) = said.iter().position(|byte| *byte == b'\r') else { return false };
                let behind = said.split_off(at + 1);
                said.truncate(at);
                said.extend_from_slice(&behind);
            }
            _ => return false,
        }
        true
    }

    /// Writes what there is room for.
    pub(super) fn flush(&mut self, n: usize) {
        while !self.wired[n].output.is_empty() {
            let now = self.now;
            let mut at = now + self.latency();
            let wired = &mut self.wired[n];
            let mut len = wired.output.len();
            if now < wired.trickles_until {
                len = 1 + self.dice.index(len.min(7));
                at += self.dice.below(30_000);
            } else if self.dice.one_in(5) {
                len = 1 + self.dice.index(len);
            }
            let (piece, _) = wired.output.split_at(len);
            match wired.down.write(piece, at) {
                Written::Full => return,
                Written::Taken(len, at) => {
                    let _ = wired.output.split_to(len);
                    self.at(at, Next::Down(n));
                }
                Written::Cut(len, at) => {
                    let _ = wired.output.split_to(len);
                    // The rest of what it had to say is lost with it, and known to a mutant alone.
                    let rest = wired.output.split();
                    wired.down.lost.extend_from_slice(&rest);
                    self.cut(n, at);
                }
            }
        }
    }

    /// The server's end is no more: nothing that came over this connection happens from now on.
    pub(super) fn end_server(&mut self, n: usize, end: End) {
        let at = self.now + self.latency();
        let wired = &mut self.wired[n];
        if let Some(mut session) = wired.session.take() {
            session.end(&mut self.servers[wired.server].cache);
        }
        wired.died = wired.died.min(self.now);
        wired.suffered.end = true;
        wired.output.clear();
        let at = match end {
            End::Finished => wired.down.end(end, at),
            End::Reset => {
                wired.down.reset(at);
                at
            }
        };
        self.at(at, Next::Down(n));
    }
}

/// Whether a proxy passes it on. What every connection asks for before it serves lies on a server that is not away.
fn is_of_backend(line: &[u8]) -> bool {
    let is_data = (line.starts_with(b"m") && !line.starts_with(b"mn")) || line.starts_with(b"get ");
    is_data && line.split(|byte| *byte == b' ').nth(1) != Some(PROBE_KEY)
}

/// What says whose a reply is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Confirmed {
    /// Its opaque.
    Opaque,
    /// Its kind: that of a fence.
    Fence,
    /// Nothing: an error, or the answer to a line of many keys.
    Nothing,
}

impl Confirmed {
    fn of(reply: &[u8]) -> Confirmed {
        let bare: [&[u8]; 5] = [b"ERROR", b"CLIENT_ERROR", b"SERVER_ERROR", b"VALUE ", b"END"];
        match bare.iter().any(|word| reply.starts_with(word)) {
            true => Confirmed::Nothing,
            false if reply.starts_with(b"MN") => Confirmed::Fence,
            false => Confirmed::Opaque,
        }
    }
}

/// Makes the announced length of a value so much shorter that its end is not where it should be.
fn lengthen(said: &mut BytesMut, by: u64) -> bool {
    let at = if said.starts_with(b"VA ") { 3 } else { return false };
    let Some((len, rest)) = read_number(&said[at..]).filter(|(len, _)| *len > 12) else { return false };
    let rest = Bytes::copy_from_slice(rest);
    said.truncate(at);
    said.extend_from_slice((len - by).to_string().as_bytes());
    said.extend_from_slice(&rest);
    true
}

/// The number that an opaque stands for: four digits of six bits, highest first.
fn serial_of(opaque: &[u8]) -> Option<u64> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    opaque.iter().try_fold(0, |number, byte| {
        let digit = DIGITS.iter().position(|digit| digit == byte)?;
        Some(number << 6 | digit as u64)
    })
}
