use crate::config::Server;
use crate::discovery::DiscoveryError;
use crate::transport::Address;

/// What a configuration endpoint says: a version that grows with every change, then the servers.
///
/// ```text
///   12\n
///   cache.0001.use1.amazonaws.com|10.82.235.120|11211 cache.0002.use1.amazonaws.com||11211\n
/// ```
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) version: u64,
    pub(super) servers: Vec<Server>,
}

impl Answer {
    /// Reads the text between the answer's first and last line. Anything that is not as drawn is an error.
    pub(super) fn read(text: &[u8]) -> Result<Answer, DiscoveryError> {
        let text = std::str::from_utf8(text).map_err(|_| wrong("it is no text"))?;
        let mut lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
        let (Some(version), Some(servers)) = (lines.next(), lines.next()) else {
            return Err(wrong("it has not two lines"));
        };
        if lines.any(|line| !line.is_empty()) {
            return Err(wrong("it goes on behind the list"));
        }
        if version.is_empty() || !version.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong("its first line is no number of a version"));
        }
        let version = version.parse().map_err(|_| wrong("its first line is no number of a version"))?;
        let servers: Vec<_> =
            servers.split(' ').filter(|word| !word.is_empty()).map(server).collect::<Result<_, _>>()?;
        let mut names: Vec<_> = servers.iter().map(|server| &server.name).collect();
        names.sort_unstable();
        match names.windows(2).any(|pair| pair[0] == pair[1]) {
            true => Err(wrong("a server is in it twice")),
            false => Ok(Answer { version, servers }),
        }
    }
}

/// `host|ip|port`, where host or address may be left out.
fn server(word: &str) -> Result<Server, DiscoveryError> {
    let mut parts = word.split('|');
    let (Some(host), Some(ip), Some(port), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(wrong("a server is not written host|address|port"));
    };
    let host = if host.is_empty() { ip } else { host };
    let is_ipv6 = host.parse::<std::net::Ipv6Addr>().is_ok();
    let text = if is_ipv6 { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    Ok(Server::at(text.parse::<Address>().map_err(|error| wrong(&error.to_string()))?))
}

fn wrong(what: &str) -> DiscoveryError {
    DiscoveryError::malformed(what)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(text: &str) -> Vec<String> {
        Answer::read(text.as_bytes()).unwrap().servers.into_iter().map(|server| server.name).collect()
    }

    #[test]
    fn answers_are_read_as_amazon_and_google_write_them() {
        let text = "12\nCache.0001.use1.amazonaws.com|10.82.235.120|11211 cache.0002||11212\n";
        assert_eq!(names(text), ["cache.0001.use1.amazonaws.com:11211", "cache.0002:11212"]);
        assert_eq!(Answer::read(text.as_bytes()).unwrap().version, 12);
        assert_eq!(names("1\r\n|10.0.0.1|5 10.0.0.2|10.0.0.2|5 \r\n"), ["10.0.0.1:5", "10.0.0.2:5"]);
        assert_eq!(names("1\n|2001:db8::1|5 ::1|::1|6"), ["[2001:db8::1]:5", "[::1]:6"]);
        assert_eq!(names("1\n\n"), [""; 0]);
    }

    #[test]
    fn what_is_not_as_drawn_is_refused() {
        for (text, part) in [
            (&b""[..], "two lines"),
            (b"12", "two lines"),
            (b"\na||1", "version"),
            (b"x\na||1", "version"),
            (b"-1\na||1", "version"),
            (b"99999999999999999999\na||1", "version"),
            (b"1\na|b", "host|address|port"),
            (b"1\na|b|1|c", "host|address|port"),
            (b"1\n||1", "no host"),
            (b"1\na||", "port"),
            (b"1\na||0", "port"),
            (b"1\na||70000", "port"),
            (b"1\na:2||1", "address"),
            (b"1\na/b||1", "character"),
            (b"1\na||1\tb||2", "host|address|port"),
            (b"1\na||1 A||1", "twice"),
            (b"1\na||1\nb||1", "goes on"),
            (b"1\n\xff||1", "no text"),
        ] {
            let error = Answer::read(text).map(|_| ()).expect_err(&String::from_utf8_lossy(text)).to_string();
            assert!(error.contains(part), "{}: {error}", String::from_utf8_lossy(text));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Answer::read(&bytes);
        }

        /// Of the characters that mean something.
        #[test]
        fn no_text_is_too_odd(text in "[0-9]{0,3}\\r?\\n[a-b0-9|:. \\[\\]\r\n]{0,60}") {
            if let Ok(answer) = Answer::read(text.as_bytes()) {
                prop_assert!(answer.servers.iter().all(|server| !server.name.is_empty()));
            }
        }
    }
}
