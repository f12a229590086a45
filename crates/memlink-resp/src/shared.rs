//! What a connection that is shared cannot carry, and where commands have their keys.

use crate::{Cmd, Error};

const BLOCKS: &str = "it would hold up everybody's replies; ask again and again, or use a connection of your own";
const LISTENS: &str = "it turns the connection into a stream of messages; use a connection of your own";
const CHANGES: &str = "it would change the connection for everybody, and be lost when it is dialled anew; set it when the client is built";
const TRANSACTION: &str = "the commands of others would come in between; use `Redis::transaction`";
const WATCHES: &str = "it would watch for everybody; use a script, which is atomic";
const SILENT: &str = "replies would be missing, and everybody's order lost";
const TAKES: &str = "it takes the connection out of the protocol";

/// Commands that are refused, with the first argument that makes them so, or none.
const REFUSED: &[(&str, Option<&str>, &str)] = &[
    ("SUBSCRIBE", None, LISTENS),
    ("UNSUBSCRIBE", None, LISTENS),
    ("PSUBSCRIBE", None, LISTENS),
    ("PUNSUBSCRIBE", None, LISTENS),
    ("SSUBSCRIBE", None, LISTENS),
    ("SUNSUBSCRIBE", None, LISTENS),
    ("MONITOR", None, LISTENS),
    ("SYNC", None, TAKES),
    ("PSYNC", None, TAKES),
    ("REPLCONF", None, TAKES),
    ("RESET", None, CHANGES),
    ("QUIT", None, TAKES),
    ("HELLO", None, CHANGES),
    ("AUTH", None, CHANGES),
    ("SELECT", None, CHANGES),
    ("ASKING", None, CHANGES),
    ("READONLY", None, CHANGES),
    ("READWRITE", None, CHANGES),
    ("MULTI", None, TRANSACTION),
    ("EXEC", None, TRANSACTION),
    ("DISCARD", None, TRANSACTION),
    ("WATCH", None, WATCHES),
    ("UNWATCH", None, WATCHES),
    ("BLPOP", None, BLOCKS),
    ("BRPOP", None, BLOCKS),
    ("BRPOPLPUSH", None, BLOCKS),
    ("BLMOVE", None, BLOCKS),
    ("BLMPOP", None, BLOCKS),
    ("BZPOPMIN", None, BLOCKS),
    ("BZPOPMAX", None, BLOCKS),
    ("BZMPOP", None, BLOCKS),
    ("WAIT", None, BLOCKS),
    ("WAITAOF", None, BLOCKS),
    ("CLIENT", Some("REPLY"), SILENT),
    ("CLIENT", Some("TRACKING"), CHANGES),
    ("CLIENT", Some("CACHING"), CHANGES),
    ("CLIENT", Some("SETNAME"), CHANGES),
    ("CLIENT", Some("NO-EVICT"), CHANGES),
    ("CLIENT", Some("NO-TOUCH"), CHANGES),
    ("CLIENT", Some("SETINFO"), CHANGES),
    ("CLIENT", Some("CAPA"), CHANGES),
    ("CLIENT", Some("IMPORT-SOURCE"), CHANGES),
    ("SCRIPT", Some("DEBUG"), TAKES),
    // Words of HTTP: Redis takes whoever says them for a browser that was lured there, and closes the connection.
    ("POST", None, TAKES),
    ("HOST:", None, TAKES),
];

/// Refused when one of their arguments is `BLOCK`.
const MAY_BLOCK: &[&str] = &["XREAD", "XREADGROUP"];

/// Commands whose first key is not their first argument, by name: the place of the key, 0 where there is none.
const FIRST_KEYS: &[(&str, usize)] = &[
    ("BITOP", 2),
    ("OBJECT", 2),
    ("MEMORY", 2),
    ("XGROUP", 2),
    ("XINFO", 2),
    ("DEBUG", 2),
    ("MIGRATE", 3),
    ("PING", 0),
    ("ECHO", 0),
    ("INFO", 0),
    ("TIME", 0),
    ("DBSIZE", 0),
    ("FLUSHALL", 0),
    ("FLUSHDB", 0),
    ("CONFIG", 0),
    ("CLIENT", 0),
    ("CLUSTER", 0),
    ("COMMAND", 0),
    ("ACL", 0),
    ("KEYS", 0),
    ("SCAN", 0),
    ("RANDOMKEY", 0),
    ("SAVE", 0),
    ("BGSAVE", 0),
    ("BGREWRITEAOF", 0),
    ("LASTSAVE", 0),
    ("ROLE", 0),
    ("REPLICAOF", 0),
    ("SLAVEOF", 0),
    ("FAILOVER", 0),
    ("SHUTDOWN", 0),
    ("SCRIPT", 0),
    ("FUNCTION", 0),
    ("MODULE", 0),
    ("LATENCY", 0),
    ("SLOWLOG", 0),
    ("SWAPDB", 0),
    ("PUBLISH", 0),
    ("PUBSUB", 0),
    ("LOLWUT", 0),
];

/// Behind a script, or behind the name of a function: how many keys, then the keys.
const WITH_COUNTS: &[(&str, usize)] =
    &[("EVAL", 2), ("EVALSHA", 2), ("EVAL_RO", 2), ("EVALSHA_RO", 2), ("FCALL", 2), ("FCALL_RO", 2)];

/// Behind a number alone.
const BEHIND_COUNT: &[&str] = &["SINTERCARD", "ZINTERCARD", "ZUNION", "ZINTER", "ZDIFF", "LMPOP", "ZMPOP"];

/// A key that stands behind the word `STREAMS`.
const BEHIND_STREAMS: &[&str] = &["XREAD", "XREADGROUP"];

fn is(word: Option<&[u8]>, name: &str) -> bool {
    word.is_some_and(|word| word.eq_ignore_ascii_case(name.as_bytes()))
}

/// The arguments of `XREAD` and `XREADGROUP` with their places, but for the two names behind `GROUP`: these may be any
/// word, `BLOCK` and `STREAMS` too.
fn read_options(cmd: &Cmd) -> impl Iterator<Item = (usize, &[u8])> {
    let mut next = 1;
    std::iter::from_fn(move || {
        let place = next;
        let word = cmd.word(place)?;
        next += if is(Some(word), "GROUP") { 3 } else { 1 };
        Some((place, word))
    })
}

/// Refuses what would change the connection for all who share it.
pub(crate) fn check(cmd: &Cmd) -> Result<(), Error> {
    cmd.check_size()?;
    let name = cmd.word(0);
    for (command, argument, why) in REFUSED {
        if is(name, command) && argument.is_none_or(|argument| is(cmd.word(1), argument)) {
            return Err(Error::NotShared { command, why });
        }
    }
    for command in MAY_BLOCK {
        // Behind `STREAMS` stand names.
        let mut options = read_options(cmd).take_while(|(_, word)| !is(Some(word), "STREAMS"));
        if is(name, command) && options.any(|(_, word)| is(Some(word), "BLOCK")) {
            return Err(Error::NotShared { command, why: BLOCKS });
        }
    }
    Ok(())
}

/// The place of a command's first key; behind its end where it has none.
pub(crate) fn first_key(cmd: &Cmd) -> usize {
    const NONE: usize = usize::MAX;
    let name = cmd.word(0);
    if let Some((_, place)) = FIRST_KEYS.iter().find(|(command, _)| is(name, command)) {
        return if *place == 0 { NONE } else { *place };
    }
    if let Some((_, count)) = WITH_COUNTS.iter().find(|(command, _)| is(name, command)) {
        return if cmd.word(*count) == Some(b"0") { NONE } else { count + 1 };
    }
    if BEHIND_COUNT.iter().any(|command| is(name, command)) {
        return 2;
    }
    if BEHIND_STREAMS.iter().any(|command| is(name, command)) {
        let streams = read_options(cmd).find(|(_, word)| is(Some(word), "STREAMS"));
        return streams.map_or(NONE, |(place, _)| place + 1);
    }
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_a_connection_of_its_own_is_refused_in_any_spelling() {
        for name in
            ["SUBSCRIBE a", "subscribe a", "Monitor", "client reply off", "CLIENT TRACKING on", "MULTI", "blpop k 0"]
        {
            assert!(matches!(check(&Cmd::new(name)), Err(Error::NotShared { .. })), "{name}");
        }
        assert!(check(&Cmd::new("XREAD COUNT 1 block 0 STREAMS s $")).is_err());
        for name in [
            "GET k",
            "CLIENT LIST",
            "CLIENT ID",
            "XREAD STREAMS s 0",
            "PUBLISH a b",
            "SCRIPT LOAD x",
            "LPOP k",
            "XREAD STREAMS block 0",
        ] {
            assert!(check(&Cmd::new(name)).is_ok(), "{name}");
        }
    }

    #[test]
    fn what_a_group_and_its_consumer_are_called_does_not_matter() {
        for (name, is_shared, key) in [
            ("XREADGROUP GROUP g c BLOCK 0 STREAMS s >", false, 7),
            ("XREADGROUP GROUP streams c BLOCK 0 STREAMS s >", false, 7),
            ("XREADGROUP group g STREAMS block 0 streams s >", false, 7),
            ("XREADGROUP GROUP group group BLOCK 0 STREAMS s >", false, 7),
            ("XREADGROUP COUNT 1 GROUP streams c BLOCK 0 STREAMS s >", false, 9),
            ("XREADGROUP GROUP block c STREAMS s >", true, 5),
            ("XREADGROUP GROUP g BLOCK NOACK STREAMS s >", true, 6),
            ("XREADGROUP GROUP streams streams STREAMS group >", true, 5),
            ("XREAD COUNT 1 STREAMS group block 0 0", true, 4),
            ("XREADGROUP GROUP streams", true, usize::MAX),
        ] {
            let cmd = Cmd::new(name);
            assert_eq!(check(&cmd).is_ok(), is_shared, "{name}");
            assert_eq!(first_key(&cmd), key, "{name}");
        }
    }

    #[test]
    fn what_valkey_lets_a_client_say_of_itself_is_refused() {
        for name in
            ["CLIENT CAPA redirect", "client capa redirect", "CLIENT IMPORT-SOURCE ON", "Client import-source off"]
        {
            assert!(matches!(check(&Cmd::new(name)), Err(Error::NotShared { .. })), "{name}");
        }
    }

    #[test]
    fn what_the_server_would_not_answer_or_close_for_is_refused() {
        assert!(matches!(check(&Cmd::new(" ")), Err(Error::Size(_))));
        assert!(check(&Cmd::new("DEL").args(std::iter::repeat_n("k", crate::cmd::ARGS_MAX - 1))).is_ok());
        assert!(check(&Cmd::new("DEL").args(std::iter::repeat_n("k", crate::cmd::ARGS_MAX))).is_err());
    }
}
