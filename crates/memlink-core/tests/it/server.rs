//! The other side of the wire. It shares no code with the engine, and it is strict: a stream that no sane client writes fails
//! the test at once.

use std::collections::HashSet;

use crate::line::value;

#[derive(Debug, Default)]
pub(crate) struct Server {
    input: Vec<u8>,
    /// Serial that the next command must at least have.
    next: u64,
    /// Tags of the commands that were received whole, on any connection.
    pub(crate) received: HashSet<u32>,
    /// The last command is one that is answered by silence.
    pub(crate) is_silent: bool,
    /// The same tags in the order of their coming.
    pub(crate) order: Vec<u32>,
    /// User's commands received whole on this connection.
    pub(crate) served: usize,
    /// What it answers to the opening exchange instead of the truth.
    pub(crate) refusal: Option<String>,
}

impl Server {
    /// A new connection; what was left of the old one was never a whole command.
    pub(crate) fn accept(&mut self) {
        self.input.clear();
        self.next = 0;
        self.is_silent = false;
        self.served = 0;
    }

    /// Another connection, on which that other server has held the opening exchange.
    pub(crate) fn go_on_as(&mut self, other: &Server) {
        self.accept();
        self.next = other.next;
    }

    pub(crate) fn next_serial(&self) -> u64 {
        self.next
    }

    /// Reads what has come and gives what it answers, command by command.
    pub(crate) fn serve(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        self.input.extend_from_slice(bytes);
        let mut replies = Vec::new();
        while let Some((len, reply)) = self.serve_one() {
            self.input.drain(..len);
            replies.push(reply);
        }
        replies
    }

    fn serve_one(&mut self) -> Option<(usize, Vec<u8>)> {
        let end = self.input.windows(2).position(|pair| pair == b"\r\n")?;
        let line = std::str::from_utf8(&self.input[..end]).expect("a line is text").to_owned();
        let words: Vec<&str> = line.split(' ').collect();
        let serial: u64 = words[1].parse().expect("a serial");
        let number = |at: usize| words[at].parse::<usize>().expect("a number");
        let mut len = end + 2;
        if words[0] == "p" {
            let (from, to) = (len, len + number(3));
            let body = self.input.get(from..to + 2)?;
            assert!(body.ends_with(b"\r\n"), "a value that does not end: {line}");
            assert_eq!(body[..to - from], value(number(2) as u32, to - from), "another's value: {line}");
            len = to + 2;
        }
        assert!(serial >= self.next, "commands out of order: {line} where {} was due", self.next);
        self.next = serial + 1;
        if words[0] == "o" {
            let answer = self.refusal.clone().unwrap_or(line);
            return Some((len, format!("{answer}\r\n").into_bytes()));
        }
        let tag = number(2) as u32;
        self.served += 1;
        self.order.push(tag);
        assert!(self.received.insert(tag), "a command came twice: {line}");
        self.is_silent = words[0] == "s";
        let reply = match words[0] {
            "e" | "p" => format!("e {serial} {tag}\r\n").into_bytes(),
            "v" => {
                let len = number(3);
                [format!("= {serial} {len}\r\n").as_bytes(), &value(tag, len), b"\r\n"].concat()
            }
            "m" => {
                let parts: String = (0..number(3)).map(|i| format!("+ {serial} {tag}.{i}\r\n")).collect();
                format!("{parts}e {serial} {tag}\r\n").into_bytes()
            }
            "s" => Vec::new(),
            "x" => format!("- {serial} {tag}\r\n").into_bytes(),
            other => panic!("no such command: {other}"),
        };
        Some((len, reply))
    }
}
