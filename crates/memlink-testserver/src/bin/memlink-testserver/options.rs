//! memcached's command line, as far as it means something here.
//!
//! It is read by hand, by the rules of C's `getopt_long`: `-p11211`, `-p 11211`,
//! `-vvA`, `--port=11211`. clap does not fit a line whose `-p -1`, `-vv` and
//! `-o name=value,…` are older than it, and any crate for it would also be built
//! by everyone who only wants the library.

use memlink_testserver::{Fault, Settings, User, Version};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

/// What the command line asks for.
#[derive(Debug, PartialEq)]
pub(crate) enum Asked {
    Help,
    Version(Version),
    Serve(Box<Options>),
}

/// How and where to serve.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Options {
    pub(crate) settings: Settings,
    pub(crate) addresses: Vec<IpAddr>,
    /// 0 for a free port.
    pub(crate) port: u16,
    pub(crate) unix: Option<PathBuf>,
    pub(crate) unix_mode: u32,
    /// Holds the users.
    pub(crate) auth_file: Option<String>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) seed: u64,
    pub(crate) socket_buffers: Option<u32>,
}

pub(crate) const HELP: &str = "\
memlink-testserver: an embedded memcached for tests; memcached's own options
-p, --port=<num>          TCP port (default: 11211; -1 for a free one, which is
                          written to the file MEMCACHED_PORT_FILENAME names)
-l, --listen=<addr>       addresses, separated by commas (default: 127.0.0.1)
-s, --unix-socket=<file>  Unix socket to listen on instead of TCP
-a, --unix-mask=<mask>    permissions of the Unix socket, octal (default: 700)
-A, --enable-shutdown     obey the command shutdown
-m, --memory-limit=<num>  item memory in megabytes (default: 64)
-M, --disable-evictions   refuse to store when memory is full
-c, --conn-limit=<num>    connections served at once (default: 1024)
-t, --threads=<num>       threads that stats claims (default: 4)
-I, --max-item-size=<num> largest item, with suffix k or m (default: 1m)
-C, --disable-cas         give no CAS ids
-F, --disable-flush-all   forbid the command flush_all
-Y, --auth-file=<file>    lines of user:password; clients must authenticate;
                          read again on SIGHUP
-o, --extended=<list>     idle_timeout=<seconds>; others are accepted
-v, -vv, --verbose        more verbose (accepted, not heeded)
-V, --version             print version and exit
-h, --help                print this help and exit
    --speak=<version>     answer as 1.6.45 (default) or 1.6.18
    --fault=<fault>       misbehave; may be given several times. What, and when:
                          delay=10ms  delay=1ms..20ms  trickle=1/1ms
                          coalesce=5ms  throttle=20000  freeze  close  reset
                          half-close  stop-reading  kill  restart  lose
                          swallow  duplicate  swap  wrong-opaque
                          wrong-length=1  no-line-end  garbage=16
                          error-line=<text>  instead=<text>  line-before=<text>
                          line-after=<text>  stray=10ms/<text>  idle-close=1s
                          refuse  reset-on-connect  close-on-connect
                          silent-on-connect  banner=<text>  connections-max=10
                          flap=300ms/300ms  mix=0.01
                          followed by any of ,verb=mg ,key-prefix=user:
                          ,after=10 ,every=10 ,chance=0.01 ,times=3 ,once
                          ,in-reply=10 ,in-stream=4096 ,anywhere
                          How often each struck is told at the end
    --seed=<num>          decides what chance does (default: 0)
    --socket-buffers=<num> bytes of each TCP socket's buffers
Accepted for memcached's sake and ignored: -U -u -R -n -f -L -b -k -r -D
";

/// Reads the arguments, without the program's name.
pub(crate) fn read(arguments: impl Iterator<Item = String>) -> Result<Asked, String> {
    let mut options = Options::default();
    let mut words = arguments;
    while let Some(word) = words.next() {
        if let Some(long) = word.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            let letter = LONG_NAMES
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, letter)| *letter)
                .ok_or_else(|| format!("unknown option --{name}"))?;
            let value = if takes_value(letter) && value.is_none() { words.next() } else { value };
            if let Some(asked) = options.take(letter, value)? {
                return Ok(asked);
            }
        } else if let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) {
            let mut rest = letters.chars();
            while let Some(letter) = rest.next() {
                let value = takes_value(letter).then(|| {
                    let attached: String = rest.by_ref().collect();
                    if attached.is_empty() { words.next() } else { Some(attached) }
                });
                if let Some(asked) = options.take(letter, value.flatten())? {
                    return Ok(asked);
                }
            }
        } else {
            return Err(format!("unexpected argument {word}"));
        }
    }
    Ok(Asked::Serve(Box::new(options)))
}

/// These have no letters of memcached's; the ones here are free.
const SPEAK: char = '=';
const FAULT: char = '!';
const SEED: char = '#';
const SOCKET_BUFFERS: char = '%';

const LONG_NAMES: &[(&str, char)] = &[
    ("port", 'p'),
    ("udp-port", 'U'),
    ("unix-socket", 's'),
    ("unix-mask", 'a'),
    ("enable-shutdown", 'A'),
    ("listen", 'l'),
    ("enable-coredumps", 'r'),
    ("user", 'u'),
    ("memory-limit", 'm'),
    ("disable-evictions", 'M'),
    ("conn-limit", 'c'),
    ("lock-memory", 'k'),
    ("verbose", 'v'),
    ("help", 'h'),
    ("version", 'V'),
    ("slab-growth-factor", 'f'),
    ("slab-min-size", 'n'),
    ("enable-largepages", 'L'),
    ("threads", 't'),
    ("max-reqs-per-event", 'R'),
    ("disable-cas", 'C'),
    ("listen-backlog", 'b'),
    ("protocol", 'B'),
    ("max-item-size", 'I'),
    ("disable-flush-all", 'F'),
    ("auth-file", 'Y'),
    ("extended", 'o'),
    ("speak", SPEAK),
    ("fault", FAULT),
    ("seed", SEED),
    ("socket-buffers", SOCKET_BUFFERS),
];

fn takes_value(letter: char) -> bool {
    matches!(
        letter,
        'p' | 'U'
            | 's'
            | 'a'
            | 'l'
            | 'u'
            | 'm'
            | 'c'
            | 'f'
            | 'n'
            | 'D'
            | 't'
            | 'R'
            | 'b'
            | 'B'
            | 'I'
            | 'Y'
            | 'o'
            | SPEAK
            | FAULT
            | SEED
            | SOCKET_BUFFERS
    )
}

impl Default for Options {
    fn default() -> Options {
        Options {
            settings: Settings::default(),
            addresses: vec![Ipv4Addr::LOCALHOST.into()],
            port: 11211,
            unix: None,
            unix_mode: 0o700,
            auth_file: None,
            faults: Vec::new(),
            seed: 0,
            socket_buffers: None,
        }
    }
}

impl Options {
    fn take(&mut self, letter: char, value: Option<String>) -> Result<Option<Asked>, String> {
        if takes_value(letter) && value.is_none() {
            return Err(format!("option -{letter} wants a value"));
        }
        let value = value.unwrap_or_default();
        let settings = &mut self.settings;
        match letter {
            'h' => return Ok(Some(Asked::Help)),
            'V' => return Ok(Some(Asked::Version(settings.version))),
            'p' if value == "-1" => self.port = 0,
            'p' => self.port = number(letter, &value)?,
            'l' => self.addresses = addresses(&value)?,
            's' => self.unix = Some(PathBuf::from(value)),
            'a' => {
                self.unix_mode = u32::from_str_radix(&value, 8)
                    .map_err(|_| format!("option -a wants an octal number, not {value}"))?;
            }
            'm' => settings.memory_bytes_max = number::<usize>(letter, &value)? << 20,
            'c' => settings.connections_max = number(letter, &value)?,
            't' => settings.threads = number(letter, &value)?,
            'I' => settings.item_bytes_max = item_size(&value)?,
            'A' => settings.shutdown_allowed = true,
            'F' => settings.flush_allowed = false,
            'M' => settings.evicts = false,
            'C' => settings.cas_enabled = false,
            'v' => settings.verbosity += 1,
            'Y' => {
                settings.users = users(&value)?;
                self.auth_file = Some(value);
            }
            'o' => extended(settings, &value)?,
            SPEAK => {
                settings.version = Version::from_text(&value)
                    .ok_or_else(|| format!("cannot speak {value}, only 1.6.45 and 1.6.18"))?;
            }
            FAULT => self.faults.extend(faults(&value)?),
            SEED => self.seed = number(letter, &value)?,
            SOCKET_BUFFERS => self.socket_buffers = Some(number(letter, &value)?),
            'B' if value == "binary" => return Err("there is no binary protocol here".into()),
            'U' | 'u' | 'R' | 'n' | 'f' | 'L' | 'b' | 'B' | 'k' | 'r' | 'D' => {}
            _ => return Err(format!("unknown option -{letter}")),
        }
        Ok(None)
    }
}

fn number<T: std::str::FromStr>(letter: char, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("option -{letter} wants a number, not {value}"))
}

/// One fault, or all those of a mix.
fn faults(value: &str) -> Result<Vec<Fault>, String> {
    match value.strip_prefix("mix=") {
        Some(rate) => match rate.parse() {
            Ok(rate) if (0.0..=1.0).contains(&rate) => Ok(Fault::mix(rate)),
            _ => Err(format!("mix wants a part of all commands, from 0 to 1, not {rate}")),
        },
        None => Ok(vec![value.parse()?]),
    }
}

/// `localhost` and empty parts aside, addresses must be numeric: a test server
/// asks no name service.
fn addresses(value: &str) -> Result<Vec<IpAddr>, String> {
    value
        .split(',')
        .map(|part| match part {
            "localhost" => Ok(Ipv4Addr::LOCALHOST.into()),
            part => part.parse().map_err(|_| format!("option -l wants IP addresses, not {part}")),
        })
        .collect()
}

fn item_size(value: &str) -> Result<usize, String> {
    const SIZES: std::ops::RangeInclusive<usize> = 1024..=1024 * 1024 * 1024;
    let (digits, unit) = match value.as_bytes().last() {
        Some(b'k' | b'K') => (&value[..value.len() - 1], 1024),
        Some(b'm' | b'M') => (&value[..value.len() - 1], 1024 * 1024),
        _ => (value, 1),
    };
    number::<usize>('I', digits)?
        .checked_mul(unit)
        .filter(|size| SIZES.contains(size))
        .ok_or_else(|| "item max size must lie between 1024 bytes and 1 gigabyte".to_owned())
}

pub(crate) fn users(path: &str) -> Result<Vec<User>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {path}: {error}"))?;
    User::from_file_text(&text)
        .filter(|users| !users.is_empty())
        .ok_or_else(|| format!("{path} holds no user:password lines"))
}

fn extended(settings: &mut Settings, list: &str) -> Result<(), String> {
    for option in list.split(',') {
        if let Some(("idle_timeout", seconds)) = option.split_once('=') {
            let seconds = number('o', seconds)?;
            settings.idle_timeout = (seconds > 0).then(|| Duration::from_secs(seconds));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_words(line: &str) -> Result<Asked, String> {
        read(line.split_whitespace().map(str::to_owned))
    }

    fn options(line: &str) -> Options {
        match read_words(line) {
            Ok(Asked::Serve(options)) => *options,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn getopt_forms_are_equal() {
        let expected = options("-p 123 -v -v -A");
        assert_eq!(options("-p123 -vvA"), expected);
        assert_eq!(options("--port=123 -vAv"), expected);
        assert_eq!(options("--port 123 --verbose -v --enable-shutdown"), expected);
    }

    #[test]
    fn the_perl_tests_lines_are_taken() {
        let options = options("-o idle_timeout=3 -l 127.0.0.1 -u root -o relaxed_privileges -p 9 -U 0");
        assert_eq!(options.settings.idle_timeout, Some(Duration::from_secs(3)));
        assert_eq!(options.port, 9);
    }

    #[test]
    fn sizes_have_suffixes_and_bounds() {
        assert_eq!(options("-I 2m").settings.item_bytes_max, 2 << 20);
        assert_eq!(options("-I 4k").settings.item_bytes_max, 4 << 10);
        assert!(read_words("-I 1000").is_err());
        assert!(read_words("-I 2048m").is_err());
    }

    #[test]
    fn a_free_port_may_be_asked_for() {
        assert_eq!(options("-p -1").port, 0);
    }

    #[test]
    fn what_is_not_there_is_refused() {
        for line in ["-d", "-S", "-Z", "-B binary", "--speak 1.4", "-p", "-p x", "word", "-"] {
            assert!(read_words(line).is_err(), "{line}");
        }
    }

    #[test]
    fn faults_are_read_one_by_one() {
        let Ok(Asked::Serve(options)) = read(
            ["--fault", "error-line=SERVER_ERROR no,once", "--fault=mix=0.5", "--seed", "7", "--socket-buffers=4096"]
                .map(str::to_owned)
                .into_iter(),
        ) else {
            panic!("they can be read");
        };
        assert_eq!(options.faults[0], Fault::error_line("SERVER_ERROR no").once());
        assert_eq!(options.faults[1..], Fault::mix(0.5));
        assert_eq!((options.seed, options.socket_buffers), (7, Some(4096)));
        for wrong in ["--fault explode", "--fault mix=2", "--seed x", "--fault"] {
            assert!(read_words(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn versions_are_chosen_by_name() {
        assert_eq!(options("--speak 1.6.18").settings.version, Version::V1_6_18);
        assert_eq!(read_words("-V"), Ok(Asked::Version(Version::V1_6_45)));
        assert_eq!(read_words("-h"), Ok(Asked::Help));
    }
}
