use std::path::Path;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use crate::config::Server;
use crate::discovery::{DiscoveryError, SERVERS_MAX};

/// Reads a list of servers from YAML, of which JSON is a part.
///
/// ```text
///   list    [ entry ... ]
///   entry   address | { address: address, name: text, weight: number }
/// ```
///
/// The parser gives one event after the other and nothing is built of them but servers: no alias is followed, nothing nests deeper than
/// drawn, so that a small file cannot become a large structure.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Server>, DiscoveryError> {
    let text = std::str::from_utf8(bytes).map_err(|_| DiscoveryError::malformed("it is not UTF-8"))?;
    if text.contains('\0') {
        return Err(DiscoveryError::malformed("it has bytes of no text"));
    }
    let mut reader = Reader { parser: Parser::new_from_str(text), line: 1 };
    let mut servers: Vec<Server> = Vec::new();
    reader.begin()?;
    loop {
        let server = match reader.next()? {
            Event::SequenceEnd => break,
            Event::Scalar(text, style, 0, None) => {
                server(reader.text(&text, style)?).map_err(|why| reader.wrong(&why))?
            }
            Event::MappingStart(0, None) => reader.entry()?,
            _ => return Err(reader.wrong("an address, or a map with one, is expected; [ipv6]:port stands in quotes")),
        };
        if servers.len() == SERVERS_MAX {
            return Err(reader.wrong("there are too many servers"));
        }
        servers.push(server);
    }
    reader.end()?;
    check_twice(servers.iter().map(|server| server.name.clone()).collect())?;
    check_twice(servers.iter().map(|server| server.address.to_string()).collect())?;
    Ok(servers)
}

struct Reader<'t> {
    parser: Parser<'t, saphyr_parser::StrInput<'t>>,
    line: usize,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<Event<'t>, DiscoveryError> {
        match self.parser.next_event() {
            Some(Ok((event, Span { start, .. }))) => {
                self.line = start.line();
                Ok(event)
            }
            Some(Err(error)) => {
                self.line = error.marker().line();
                Err(self.wrong(error.info()))
            }
            None => Err(self.wrong("it ends too early")),
        }
    }

    fn begin(&mut self) -> Result<(), DiscoveryError> {
        if self.next()? == Event::StreamStart && matches!(self.next()?, Event::DocumentStart(_)) {
            if let Event::SequenceStart(0, None) = self.next()? {
                return Ok(());
            }
            return Err(self.wrong("it is no list"));
        }
        Err(DiscoveryError::malformed("it is empty"))
    }

    fn end(&mut self) -> Result<(), DiscoveryError> {
        if self.next()? == Event::DocumentEnd && self.next()? == Event::StreamEnd {
            return Ok(());
        }
        Err(self.wrong("something follows the list"))
    }

    /// The fields of a map.
    fn entry(&mut self) -> Result<Server, DiscoveryError> {
        let (mut address, mut name, mut weight) = (None, None, None);
        loop {
            let field = match self.next()? {
                Event::MappingEnd => break,
                Event::Scalar(field, _, 0, None) => field,
                _ => return Err(self.wrong("a field is expected: address, name or weight")),
            };
            let Event::Scalar(value, style, 0, None) = self.next()? else {
                return Err(self.wrong("the value of a field is a text or a number"));
            };
            let value = self.text(&value, style)?.to_owned();
            let slot = match &*field {
                "address" => &mut address,
                "name" => &mut name,
                "weight" => &mut weight,
                _ => return Err(self.wrong("there is a field other than address, name and weight")),
            };
            if slot.replace(value).is_some() {
                return Err(self.wrong("a field is there twice"));
            }
        }
        let address = address.ok_or_else(|| self.wrong("the address is missing"))?;
        let mut found = server(&address).map_err(|why| self.wrong(&why))?;
        if let Some(name) = name {
            if name.chars().any(char::is_control) {
                return Err(self.wrong("a name has characters that cannot be shown"));
            }
            found = found.named(name);
        }
        if let Some(digits) = weight {
            let weight = digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()));
            found = found.weight(weight.ok_or_else(|| self.wrong("the weight is a whole number up to 4294967295"))?);
        }
        Ok(found)
    }

    /// The text of a scalar that is one: YAML has words for nothing.
    fn text<'s>(&self, text: &'s str, style: ScalarStyle) -> Result<&'s str, DiscoveryError> {
        let is_plain = style == ScalarStyle::Plain;
        match text {
            "" => Err(self.wrong("a text is empty")),
            "~" | "null" | "Null" | "NULL" | "true" | "false" if is_plain => Err(self.wrong("a text is expected")),
            text => Ok(text),
        }
    }

    fn wrong(&self, what: &str) -> DiscoveryError {
        DiscoveryError::malformed(format!("line {}: {what}", self.line))
    }
}

fn server(address: &str) -> Result<Server, String> {
    match Path::new(address).is_absolute() {
        true => Ok(Server::unix(address)),
        false => Server::tcp(address).map_err(|error| error.to_string()),
    }
}

fn check_twice(mut texts: Vec<String>) -> Result<(), DiscoveryError> {
    texts.sort_unstable();
    match texts.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(DiscoveryError::malformed(format!("{:?} is there twice", pair[0]))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Servers as `name=address*weight`, where the name differs.
    fn shown(text: &str) -> Vec<String> {
        let servers = parse(text.as_bytes()).map_err(|error| format!("{text}: {error}")).unwrap();
        servers.iter().map(|Server { name, address, weight }| format!("{name}={address}*{weight}")).collect()
    }

    #[test]
    fn lists_are_read_in_yaml_and_json() {
        let wanted = ["cache-1:11211=cache-1:11211*1", "[::1]:5=[::1]:5*1", "c3=10.0.0.3:7*2"];
        for text in [
            "- cache-1\n- '[::1]:5'\n- {address: 10.0.0.3:7, name: c3, weight: 2}\n",
            "# servers\n---\n- Cache-1:11211   # first\n- \"[::1]:5\"\n- address: 10.0.0.3:7\n  name: c3\n  weight: 2\n...\n",
            "[\"cache-1\", \"[::1]:5\", {\"address\": \"10.0.0.3:7\", \"name\": \"c3\", \"weight\": 2}]",
            "[\n\t\"cache-1:11211\",\n\t\"[::1]:5\",\n\t{\n\t\t\"weight\": 2,\n\t\t\"name\": \"c3\",\n\t\t\"address\": \"10.0.0.3:7\"\n\t}\n]\n",
            "[\"cache-1\",\"[::1]:5\",{\"address\":\"10.0.0.3:7\",\"name\":\"c3\",\"weight\":2}]\r\n",
        ] {
            assert_eq!(shown(text), wanted, "{text}");
        }
        assert_eq!(shown("- /run/cache.sock\n"), ["/run/cache.sock=/run/cache.sock*1"]);
        assert_eq!(shown("[]"), [""; 0]);
        assert_eq!(shown("- \"null\"\n"), ["null:11211=null:11211*1"]);
    }

    #[test]
    fn what_is_no_list_is_refused_with_its_line() {
        let deep = "[".repeat(100_000);
        for (text, part) in [
            ("", "empty"),
            ("# nothing\n", "empty"),
            ("cache-1", "no list"),
            ("{a: b}", "no list"),
            ("- a\n- b:\n", "line 2"),
            ("- a\n- [b]\n", "line 2"),
            ("- [::1]:5\n", "line 1"),
            ("- a:0\n", "port"),
            ("- a b\n", "character"),
            ("- \n", "empty"),
            ("- ~\n", "a text is expected"),
            ("- null\n", "a text is expected"),
            ("- a\n- A:11211\n", "twice"),
            ("- a\n- {address: a, name: b}\n", "twice"),
            ("- {address: a, name: c}\n- {address: b, name: c}\n", "twice"),
            ("- {address: a, port: 5}\n", "other than address"),
            ("- {address: a, address: b}\n", "twice"),
            ("- {name: a}\n", "address is missing"),
            ("- {address: [a]}\n", "value of a field"),
            ("- {address: a, weight: -1}\n", "weight"),
            ("- {address: a, weight: 1.5}\n", "weight"),
            ("- {address: a, weight: 4294967296}\n", "weight"),
            ("- {address: a, name: \"b\\n\"}\n", "cannot be shown"),
            ("- &x a\n- *x\n", "line 1"),
            ("- !!str a\n", "line 1"),
            ("- a\n---\n- b\n", "follows"),
            ("[\"a\"", "line"),
            ("[\"a\", {\"address\": \"b\"", "line"),
            ("- {address: a", "line"),
            (&deep, "line 1"),
            ("\u{0}", "no text"),
        ] {
            let error = parse(text.as_bytes()).map(|_| ()).expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(parse(b"- \xff\n").is_err());
        let many: String = (0..=SERVERS_MAX).map(|n| format!("- a{n}\n")).collect();
        assert!(parse(many.as_bytes()).unwrap_err().to_string().contains("too many"));
    }

    /// Every beginning of a file of JSON is refused: it cannot be taken half-written.
    #[test]
    fn no_half_of_a_json_file_is_a_list() {
        let whole = "[\"cache-1\", \"cache-2:5\", {\"address\": \"c\", \"weight\": 12}]";
        for end in 0..whole.len() {
            assert!(parse(&whole.as_bytes()[..end]).is_err(), "{}", &whole[..end]);
        }
        assert_eq!(parse(whole.as_bytes()).unwrap().len(), 3);
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }

        /// Of the characters that mean something.
        #[test]
        fn no_text_is_too_odd(text in "[-\\[\\]{}:,&*!|>'\"%@`#? \n\ta1~.\u{feff}]{0,60}") {
            let _ = parse(text.as_bytes());
        }

        #[test]
        fn what_is_listed_is_found(hosts in proptest::collection::btree_set("[a-m][a-z0-9-]{0,20}", 1..20), weight in any::<u32>()) {
            let lines: String = hosts.iter().map(|host| format!("- {{address: {host}, weight: {weight}}}\n")).collect();
            let found = parse(lines.as_bytes()).unwrap();
            let names: Vec<_> = found.iter().map(|server| server.name.clone()).collect();
            let wanted: Vec<_> = hosts.iter().map(|host| format!("{host}:11211")).collect();
            prop_assert_eq!(names, wanted);
            prop_assert!(found.iter().all(|server| server.weight == weight));
        }
    }
}
