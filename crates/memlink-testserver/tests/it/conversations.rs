//! Conversations stepped by hand: what the random scripts cannot say, because it
//! needs another configuration, a moved clock or a megabyte.

use bytes::BytesMut;
use memlink_testserver::{Cache, Session, Settings, Step, User, Version};
use std::time::Duration;

const NOW: Duration = Duration::from_secs(1_700_000_000);

struct Talk {
    cache: Cache,
    session: Session,
    now: Duration,
    step: Step,
}

impl Talk {
    fn new(change: impl FnOnce(&mut Settings)) -> Talk {
        let mut settings = Settings::default();
        change(&mut settings);
        let mut cache = Cache::new(settings, NOW);
        let session = Session::new(&mut cache);
        Talk { cache, session, now: NOW, step: Step::NeedInput }
    }

    fn say(&mut self, input: impl AsRef<[u8]>) -> String {
        let mut input = BytesMut::from(input.as_ref());
        let mut output = BytesMut::new();
        loop {
            self.step = self.session.handle(&mut self.cache, self.now, &mut input, &mut output);
            if self.step != Step::WriteOutput {
                return String::from_utf8_lossy(&output).into_owned();
            }
        }
    }
}

fn old(settings: &mut Settings) {
    settings.version = Version::V1_6_18;
}

#[test]
fn items_expire_when_the_clock_says_so() {
    let mut talk = Talk::new(|_| {});
    assert_eq!(talk.say("ms k 1 T10\r\nv\r\nmg k t\r\n"), "HD\r\nHD t10\r\n");
    talk.now += Duration::from_secs(9);
    assert_eq!(talk.say("mg k t\r\n"), "HD t1\r\n");
    talk.now += Duration::from_secs(1);
    assert_eq!(talk.say("mg k t\r\n"), "EN\r\n");
}

#[test]
fn a_lease_is_won_once() {
    let mut talk = Talk::new(|_| {});
    assert_eq!(talk.say("mg k N30 t\r\n"), "HD t30 W\r\n");
    assert_eq!(talk.say("mg k N30 v\r\n"), "VA 0 Z\r\n\r\n");
    assert_eq!(talk.say("ms k 1 T60\r\nv\r\nmg k R90 v\r\n"), "HD\r\nVA 1 W\r\nv\r\n");
    assert_eq!(talk.say("mg k R90\r\nmd k I T20\r\nmg k t\r\nmg k\r\n"), "HD Z\r\nHD\r\nHD t20 X W\r\nHD Z X\r\n");
}

#[test]
fn a_delayed_flush_takes_what_was_there() {
    let mut talk = Talk::new(|_| {});
    assert_eq!(talk.say("set k 0 0 1\r\nv\r\nflush_all 10\r\nmg k\r\n"), "STORED\r\nOK\r\nHD\r\n");
    talk.now += Duration::from_secs(11);
    assert_eq!(talk.say("mg k\r\nset k 0 0 1\r\nv\r\nmg k\r\n"), "EN\r\nSTORED\r\nHD\r\n");
}

#[test]
fn too_large_a_value_deletes_the_old_one() {
    for change in [old, |_: &mut Settings| {}] {
        let mut talk = Talk::new(change);
        let fits = "v".repeat(1_048_576 - 48 - 8 - 2 - 2);
        assert_eq!(talk.say(format!("ms k {}\r\n{fits}\r\n", fits.len())), "HD\r\n");
        let large = format!("{fits}v");
        let refused = "SERVER_ERROR object too large for cache\r\n";
        assert_eq!(talk.say(format!("add k 0 0 {}\r\n{large}\r\nmg k\r\n", large.len())), format!("{refused}HD\r\n"));
        assert_eq!(talk.say(format!("ms k {} ME\r\n{large}\r\nmg k\r\n", large.len())), format!("{refused}EN\r\n"));
    }
}

#[test]
fn a_full_memory_evicts_or_refuses() {
    let value = "v".repeat(500);
    let store: String = (0..40).map(|n| format!("ms {n} 500\r\n{value}\r\n")).collect();
    let mut talk = Talk::new(|settings| settings.memory_bytes_max = 10_000);
    assert_eq!(talk.say(&store), "HD\r\n".repeat(40));
    assert_eq!(talk.say("mg 0\r\nmg 39\r\n"), "EN\r\nHD\r\n");
    let mut talk = Talk::new(|settings| {
        settings.memory_bytes_max = 10_000;
        settings.evicts = false;
    });
    assert!(talk.say(&store).ends_with("SERVER_ERROR out of memory storing object\r\n"));
    assert_eq!(talk.say("mg 0\r\nmg 39\r\n"), "HD\r\nEN\r\n");
}

#[test]
fn replies_wait_while_a_value_is_incomplete() {
    let mut talk = Talk::new(|_| {});
    assert_eq!(talk.say("mg k\r\nms k 5\r\nhel"), "");
    assert_eq!(talk.say("lo\r\n"), "EN\r\nHD\r\n");
}

#[test]
fn nobody_is_served_before_authentication() {
    let user = User { name: "foo".into(), password: "bar baz".into() };
    let with_user = |settings: &mut Settings| settings.users.push(user.clone());
    let mut talk = Talk::new(with_user);
    assert_eq!(talk.say("version\r\n"), "CLIENT_ERROR unauthenticated\r\n");
    assert_eq!(talk.say("set x 0 0 6\r\nfoobar\r\n"), "CLIENT_ERROR bad authentication token format\r\n");
    assert_eq!(talk.say("set x 0 0 7\r\nfoo bar\r\n"), "CLIENT_ERROR authentication failure\r\n");
    assert_eq!(talk.say("set x 0 0 17000\r\n"), "CLIENT_ERROR auth token too long\r\n");
    assert_eq!(talk.say("set x 0 0 6\r\nfoobar\r\nversion\r\n"), "CLIENT_ERROR unauthenticated\r\n");
    assert_eq!(talk.say("set x 0 0 11\r\nfoo bar baz\r\nmn\r\n"), "STORED\r\nMN\r\n");
    let mut talk = Talk::new(with_user);
    assert_eq!(talk.say("set x 0 0 10\r\nfoo bar baz\r\n"), "CLIENT_ERROR bad command line termination\r\n");
    assert_eq!((talk.say("mn\r\n"), talk.step), (String::new(), Step::Close));
    let mut talk = Talk::new(|settings| {
        old(settings);
        with_user(settings);
    });
    assert_eq!(talk.say("mn\r\n"), "CLIENT_ERROR unauthenticated\r\n");
    let refused = "CLIENT_ERROR authentication failure\r\n";
    assert_eq!(talk.say("set x 0 0 11\r\nfoo bar baz\r\n"), refused, "no spaces in passwords then");
}

#[test]
fn a_large_answer_comes_in_parts() {
    let mut talk = Talk::new(|_| {});
    let value = "v".repeat(1_000_000);
    talk.say(format!("ms k 1000000\r\n{value}\r\n"));
    let mut input = BytesMut::from("get k k k k\r\nmn\r\n");
    let mut largest = 0;
    let mut whole = BytesMut::new();
    loop {
        let mut output = BytesMut::new();
        let step = talk.session.handle(&mut talk.cache, NOW, &mut input, &mut output);
        largest = largest.max(output.len());
        whole.extend_from_slice(&output);
        if step == Step::NeedInput {
            break;
        }
    }
    assert!(largest < 3_000_000, "{largest}");
    assert_eq!(whole, format!("{}END\r\nMN\r\n", format!("VALUE k 0 1000000\r\n{value}\r\n").repeat(4)));
}

#[test]
fn the_record_holds_what_ran_and_nothing_else() {
    let mut talk = Talk::new(|settings| settings.records = true);
    talk.say("mg a Oone\r\nms b 1 Otwo\r\nv\r\nms c 5 Othree\r\nv");
    talk.say("bogus\r\nms d x\r\n");
    let ran: Vec<_> = talk.cache.executed().iter().map(|command| command.opaque().unwrap_or_default()).collect();
    assert_eq!(ran, [&b"one"[..], b"two"]);
    assert_eq!(talk.cache.executed()[1].key(), Some(&b"b"[..]));
}

#[test]
fn quit_and_shutdown_end_the_session() {
    let mut talk = Talk::new(|_| {});
    assert_eq!(talk.say("mg k\r\nquit\r\nmn\r\n"), "EN\r\n");
    assert_eq!(talk.step, Step::Close);
    let mut talk = Talk::new(|_| {});
    assert_eq!(talk.say("shutdown\r\n"), "SERVER_ERROR: shutdown not enabled\r\n");
    let mut talk = Talk::new(|settings| settings.shutdown_allowed = true);
    talk.say("shutdown graceful\r\n");
    assert_eq!(talk.step, Step::Shutdown { graceful: true });
}

#[test]
fn a_long_key_in_get_costs_no_other_reply() {
    let mut talk = Talk::new(|_| {});
    let long = "x".repeat(251);
    let refused = "CLIENT_ERROR bad command line format\r\n";
    assert_eq!(talk.say(format!("mg k\r\nget a {long}\r\nmn\r\n")), format!("EN\r\n{refused}MN\r\n"));
    assert_eq!(talk.say("ms aw== 1 b\r\nv\r\nme aw== b\r\n").lines().last().map(|line| &line[..7]), Some("ME aw=="));
}
