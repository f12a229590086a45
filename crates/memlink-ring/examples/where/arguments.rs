//! The command line.

use memlink_ring::schemes::{KeyPart, Scheme, Server};

pub(crate) const HELP: &str = "\
where --scheme NAME --server HOST[:PORT[:WEIGHT]]... [OPTION]... [KEY]...

Prints the server of each key as another client would choose it. Without keys they are read from standard input.

  --scheme NAME           the client's scheme; --list names all
  --server TEXT           a server, in the order of the client's list. HOST/IP:PORT where a Java client hashes the address,
                          'HOST:PORT:WEIGHT ALIAS' where twemproxy or mcrouter have an alias, [IPV6]:PORT
  --servers A,B,...       several at once
  --prefix TEXT           keys begin with this prefix and are hashed without it
  --hashed-prefix TEXT    keys are given without this prefix and are hashed with it
  --twemproxy-tag {}      twemproxy's hash_tag
  --proxy-tag {}          memcached's proxy: filter = \"tags\"
  --proxy-stop TEXT       memcached's proxy: filter = \"stop\"
  --evcache-partial TEXT  EVCache's hash.on.partial.key, with its delimiter
  --seed TEXT             memcached's proxy: the seed
  --salt TEXT             mcrouter: the salt of Ch3
  --weight-of-one NUMBER  mcrouter: the weight that stands for 1.0
  --sort-hosts            libmemcached's SORT_HOSTS
  --json                  an object a line in place of text
  --shares                at the end, how many keys each server has
  --list                  the names of all schemes
";

pub(crate) enum Order {
    Help,
    List,
    Find(Arguments),
}

pub(crate) struct Arguments {
    pub(crate) scheme: Scheme,
    pub(crate) servers: Vec<Server>,
    pub(crate) keys: Vec<String>,
    pub(crate) json: bool,
    pub(crate) shares: bool,
}

pub(crate) fn read(mut words: impl Iterator<Item = String>) -> Result<Order, String> {
    let mut scheme = None;
    let mut options: Vec<Box<dyn FnOnce(Scheme) -> Scheme>> = Vec::new();
    let (mut servers, mut keys, mut json, mut shares) = (Vec::new(), Vec::new(), false, false);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "--help" | "-h" => return Ok(Order::Help),
            "--list" => return Ok(Order::List),
            "--json" => json = true,
            "--shares" => shares = true,
            "--scheme" => {
                let name = value()?;
                scheme = Some(name.parse::<Scheme>().map_err(|error| format!("{name}: {error}"))?);
            }
            "--server" => servers.push(server(&value()?)?),
            "--servers" => {
                for text in value()?.split(',') {
                    servers.push(server(text)?);
                }
            }
            "--sort-hosts" => options.push(Box::new(Scheme::sort_hosts)),
            "--prefix" => options.push(with(value()?, Scheme::prefix_skipped)),
            "--hashed-prefix" => options.push(with(value()?, Scheme::prefix_hashed)),
            "--seed" => options.push(with(value()?, Scheme::seed)),
            "--salt" => options.push(with(value()?, Scheme::salt)),
            "--proxy-stop" => options.push(part(KeyPart::Stop(value()?.into_bytes().into()))),
            "--evcache-partial" => options.push(part(KeyPart::Partial(value()?.into_bytes().into()))),
            "--twemproxy-tag" => {
                let [open, close] = pair(&value()?)?;
                options.push(part(KeyPart::Tag { open, close }));
            }
            "--proxy-tag" => {
                let [open, close] = pair(&value()?)?;
                options.push(part(KeyPart::TagOrEmpty { open, close }));
            }
            "--weight-of-one" => {
                let weight = value()?.parse().map_err(|_| "--weight-of-one needs a number")?;
                options.push(Box::new(move |scheme| scheme.weight_of_one(weight)));
            }
            "--" => keys.extend(words.by_ref()),
            option if option.starts_with("--") => return Err(format!("there is no option {option}")),
            _ => keys.push(word),
        }
    }
    let scheme = scheme.ok_or("--scheme is missing")?;
    let scheme = options.into_iter().fold(scheme, |scheme, option| option(scheme));
    Ok(Order::Find(Arguments { scheme, servers, keys, json, shares }))
}

fn server(text: &str) -> Result<Server, String> {
    Server::parse(text).map_err(|error| format!("{text}: {error}"))
}

fn pair(text: &str) -> Result<[u8; 2], String> {
    text.as_bytes().try_into().map_err(|_| format!("{text} is not two characters"))
}

fn part(part: KeyPart) -> Box<dyn FnOnce(Scheme) -> Scheme> {
    Box::new(move |scheme| scheme.hashed_part(part))
}

fn with(text: String, option: fn(Scheme, Vec<u8>) -> Scheme) -> Box<dyn FnOnce(Scheme) -> Scheme> {
    Box::new(move |scheme| option(scheme, text.into_bytes()))
}
