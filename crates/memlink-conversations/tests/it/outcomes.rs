//! From a typed outcome to the words in which the table says it.

use memlink_meta::{
    Counted, CountedOutcome, DeleteOutcome, Fault, Found, Got, ItemInfo, SetOutcome, Statistics, Stored, TtlLeft,
};

/// What any command of memlink-meta can give back.
#[derive(Debug, PartialEq)]
pub(crate) enum Output {
    Get(Result<Option<Got>, Fault>),
    Set(Result<Stored, Fault>),
    Delete(Result<DeleteOutcome, Fault>),
    Arithmetic(Result<Counted, Fault>),
    Debug(Result<Option<ItemInfo>, Fault>),
    Many(Result<Vec<Option<Found>>, Fault>),
    Done(Result<(), Fault>),
    Version(Result<Box<str>, Fault>),
    Stats(Result<Statistics, Fault>),
}

/// Words under construction. Values stand between quotation marks as they are, whatever they hold.
struct Words(Vec<u8>);

impl Words {
    fn new(first: &str) -> Words {
        Words(first.as_bytes().to_vec())
    }

    fn word(&mut self, word: &str, is_said: bool) {
        if is_said {
            self.0.push(b' ');
            self.0.extend_from_slice(word.as_bytes());
        }
    }

    fn pair(&mut self, name: &str, what: Option<impl std::fmt::Display>) {
        if let Some(what) = what {
            self.word(&format!("{name}={what}"), true);
        }
    }

    fn bytes(&mut self, name: &str, what: Option<&[u8]>) {
        if let Some(what) = what {
            self.word(&format!("{name}=\""), true);
            self.0.extend_from_slice(what);
            self.0.push(b'"');
        }
    }
}

impl Output {
    /// As the table says it.
    pub(crate) fn words(&self) -> Vec<u8> {
        match self {
            Output::Get(Ok(None)) | Output::Debug(Ok(None)) => Words::new("miss").0,
            Output::Get(Ok(Some(got))) => hit(got),
            Output::Set(Ok(stored)) => set(stored),
            Output::Delete(Ok(outcome)) => {
                Words::new(match outcome {
                    DeleteOutcome::Deleted => "deleted",
                    DeleteOutcome::NotFound => "not-found",
                    DeleteOutcome::Exists => "exists",
                    DeleteOutcome::NotStored => "not-stored",
                })
                .0
            }
            Output::Arithmetic(Ok(counted)) => count(counted),
            Output::Debug(Ok(Some(info))) => item(info),
            Output::Many(Ok(found)) => many(found),
            Output::Done(Ok(())) => Words::new("done").0,
            Output::Version(Ok(text)) => Words::new(&format!("version {text}")).0,
            Output::Stats(Ok(statistics)) => {
                let mut words = Words::new("statistics");
                statistics.iter().for_each(|(name, value)| words.pair(name, Some(value)));
                words.0
            }
            Output::Get(Err(fault))
            | Output::Set(Err(fault))
            | Output::Delete(Err(fault))
            | Output::Arithmetic(Err(fault))
            | Output::Debug(Err(fault))
            | Output::Many(Err(fault))
            | Output::Done(Err(fault))
            | Output::Version(Err(fault))
            | Output::Stats(Err(fault)) => format!("fault {:?} {:?}", fault.class(), fault.kind()).into_bytes(),
        }
    }
}

fn yes_no(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

fn ttl_words(left: TtlLeft) -> String {
    match left {
        TtlLeft::Never => "never".to_owned(),
        TtlLeft::Seconds(seconds) => seconds.to_string(),
    }
}

fn hit(got: &Got) -> Vec<u8> {
    let Got { value, size, client_flags, cas, ttl, hit_before, last_access, won, stale, already_won, unchanged } = got;
    let mut words = Words::new("hit");
    words.bytes("value", value.as_deref());
    words.pair("size", *size);
    words.pair("flags", *client_flags);
    words.pair("cas", *cas);
    words.pair("ttl", ttl.map(ttl_words));
    words.pair("hit-before", hit_before.map(yes_no));
    words.pair("last-access", *last_access);
    words.word("won", *won);
    words.word("stale", *stale);
    words.word("already-won", *already_won);
    words.word("unchanged", *unchanged);
    words.0
}

fn set(stored: &Stored) -> Vec<u8> {
    let Stored { outcome, cas, size } = stored;
    let mut words = Words::new(match outcome {
        SetOutcome::Stored => "stored",
        SetOutcome::NotStored => "not-stored",
        SetOutcome::Exists => "exists",
        SetOutcome::NotFound => "not-found",
    });
    words.pair("cas", *cas);
    words.pair("size", *size);
    words.0
}

fn count(counted: &Counted) -> Vec<u8> {
    let Counted { outcome, value, ttl, cas } = counted;
    let mut words = Words::new(match outcome {
        CountedOutcome::Done => "counted",
        CountedOutcome::NotFound => "not-found",
        CountedOutcome::Exists => "exists",
        CountedOutcome::NotStored => "not-stored",
    });
    words.pair("value", *value);
    words.pair("cas", *cas);
    words.pair("ttl", ttl.map(ttl_words));
    words.0
}

fn item(info: &ItemInfo) -> Vec<u8> {
    let ItemInfo { expires_in, last_access, cas, fetched, slab_class, size } = info;
    let mut words = Words::new("item");
    words.pair("expires-in", expires_in.map_or_else(|| "never".to_owned(), |seconds| seconds.to_string()).into());
    words.pair("last-access", *last_access);
    words.pair("cas", *cas);
    words.pair("fetched", fetched.map(yes_no));
    words.pair("class", *slab_class);
    words.pair("size", *size);
    words.0
}

fn many(found: &[Option<Found>]) -> Vec<u8> {
    let mut words = Words::new("found");
    for one in found {
        match one {
            None => words.word("-", true),
            Some(Found { value, client_flags, cas }) => {
                words.bytes("value", Some(value));
                words.pair("flags", Some(*client_flags).filter(|flags| *flags != 0));
                words.pair("cas", *cas);
            }
        }
    }
    words.0
}
