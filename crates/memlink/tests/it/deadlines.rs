//! When requests end, to the millisecond, and what is said of those that did. The clock is tokio's and stands still.

use std::time::Duration;

use memlink::{Error, ErrorKind, Limits, Outcome, Settings};
use tokio::time::{Instant, sleep};

use crate::memcached::Memcached;
use crate::pipe::{Dialled, End, Pipes};
use crate::show::Show as _;
use crate::wait::until_async;

const ROOM: usize = 1 << 16;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Nothing ends a request but what the test says.
fn endless() -> Settings {
    let day = ms(86_400_000);
    let limits = Limits { stall_timeout: day, opening_timeout: day, abandoned_age_max: day, ..Limits::default() };
    Settings::default().timeout(None).limits(limits).dial_timeout(day)
}

/// The request ends with this error after this time; tokio's clock goes by whole milliseconds and never rings early.
async fn check<T: std::fmt::Debug>(
    what: &str,
    request: impl IntoFuture<Output = Result<T, Error>>,
    after_ms: u64,
    kind: ErrorKind,
    outcome: Outcome,
) {
    let begun = Instant::now();
    let error = request.await.expect_err(what);
    let took = begun.elapsed();
    assert_eq!((error.kind(), error.outcome()), (kind, outcome), "{what}: {error}");
    assert!(took >= ms(after_ms) && took <= ms(after_ms + 1), "{what}: {took:?} instead of {after_ms} ms");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_the_wait_for_a_dial() {
    let pipes = Pipes::new(ROOM);
    pipes.set(Dialled::Swallowed);
    let client = pipes.client(endless());
    check("get", client.get("k").timeout(ms(250)), 250, ErrorKind::Deadline, Outcome::NotSent).await;
    check("none", client.get("k").timeout(ms(0)), 0, ErrorKind::Deadline, Outcome::NotSent).await;
    let past = Instant::now() - ms(1);
    check("past", client.get("k").deadline(past), 0, ErrorKind::Deadline, Outcome::NotSent).await;
    let at = Instant::now() + ms(70);
    check("date", client.get("k").timeout(ms(5)).deadline(at), 70, ErrorKind::Deadline, Outcome::NotSent).await;
    assert_eq!(pipes.dials(), 1, "the dial goes on");
}

/// A runtime that is held up for longer than a request may take: the request has not left, and does not.
#[tokio::test(start_paused = true)]
async fn nothing_is_written_for_who_is_late() {
    let mut pipes = Pipes::new(ROOM);
    let client = pipes.client(endless());
    let first = tokio::spawn(client.get("k").into_future());
    let mut end = pipes.open().await;
    end.expect("mg k v\r\n").await;
    end.say("EN\r\n").await;
    assert_eq!(first.await.unwrap().show(), "none");
    let mut late = std::pin::pin!(client.get("late").timeout(ms(5)).into_future());
    assert!(futures_util::FutureExt::now_or_never(&mut late).is_none());
    let in_time = tokio::spawn(client.get("k").timeout(ms(500)).into_future());
    tokio::time::advance(ms(100)).await;
    assert_eq!(late.await.show(), "Deadline NotSent");
    end.expect("mg k v\r\n").await;
    end.say("EN\r\n").await;
    assert_eq!(in_time.await.unwrap().show(), "none");
    end.expect_nothing(ms(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_dial_ends_with_its_own_timeout_and_then_the_server_is_known_to_be_down() {
    let pipes = Pipes::new(ROOM);
    pipes.set(Dialled::Swallowed);
    let client = pipes.client(endless().dial_timeout(ms(1_000)));
    check("first", client.get("k"), 1_000, ErrorKind::ServerDown, Outcome::NotSent).await;
    for _ in 0..100 {
        check("known", client.get("k"), 0, ErrorKind::ServerDown, Outcome::NotSent).await;
    }
}

/// Times without an end are none that could be added to.
#[tokio::test]
async fn endless_times_are_no_mistake() {
    let mut pipes = Pipes::new(ROOM);
    let limits = Limits { stall_timeout: Duration::MAX, opening_timeout: Duration::MAX, ..Limits::default() };
    let settings = Settings::default().timeout(Duration::MAX).dial_timeout(Duration::MAX).limits(limits);
    let settings = settings.backoff(Duration::MAX, Duration::MAX).suspend_after(u32::MAX, Duration::MAX);
    let client = pipes.client(settings.resolve_interval(Duration::MAX));
    let asked = tokio::spawn(client.get("k").timeout(Duration::MAX).into_future());
    let mut end = pipes.open().await;
    end.expect("mg k v\r\n").await;
    end.say("EN\r\n").await;
    assert_eq!(asked.await.unwrap().show(), "none");
    client.close(Duration::MAX).await;
}

#[tokio::test(start_paused = true)]
async fn an_opening_exchange_ends_with_its_own_timeout() {
    let mut pipes = Pipes::new(ROOM);
    let limits = Limits { opening_timeout: ms(2_000), ..Limits::default() };
    let client = pipes.client(endless().limits(limits));
    check("late", client.get("k").timeout(ms(500)), 500, ErrorKind::Deadline, Outcome::NotSent).await;
    check("first", client.get("k"), 1_500, ErrorKind::ServerDown, Outcome::NotSent).await;
    let mut end = pipes.accept().await;
    end.expect("version\r\n").await;
    end.expect_end().await;
}

/// Forty in half a minute is what is promised; the pause grows to three seconds.
#[tokio::test(start_paused = true)]
async fn a_server_that_is_down_is_dialled_politely_and_for_ever() {
    let mut pipes = Pipes::new(ROOM);
    pipes.set(Dialled::Refused);
    let client = pipes.client(endless());
    client.get("k").await.unwrap_err();
    sleep(ms(30_000)).await;
    assert!((10..=40).contains(&pipes.dials()), "{} dials", pipes.dials());
    sleep(Duration::from_secs(6 * 3_600)).await;
    pipes.set(Dialled::Accepted);
    let begun = Instant::now();
    let mut end = pipes.open().await;
    assert!(begun.elapsed() <= ms(3_001), "{:?}", begun.elapsed());
    // The client has heard the last word of the opening exchange by then.
    sleep(ms(1)).await;
    let got = tokio::spawn(client.get("k").into_future());
    end.expect("mg k v\r\n").await;
    end.say("EN\r\n").await;
    assert_eq!(got.await.unwrap().show(), "none");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_the_wait_for_room_and_nothing_is_sent() {
    let mut pipes = Pipes::new(ROOM);
    let limits = Limits { in_flight_max: 1, ..endless_limits() };
    let client = pipes.client(endless().limits(limits));
    let first = tokio::spawn(client.get("first").into_future());
    let mut end = pipes.open().await;
    end.expect("mg first v\r\n").await;
    check("second", client.get("second").timeout(ms(300)), 300, ErrorKind::Deadline, Outcome::NotSent).await;
    let third = tokio::spawn(client.get("third").into_future());
    end.expect_nothing(ms(100)).await;
    end.say("VA 1\r\n1\r\n").await;
    end.expect("mg third v\r\n").await;
    end.say("VA 1\r\n3\r\n").await;
    assert_eq!((first.await.unwrap().show(), third.await.unwrap().show()), ("\"1\"".into(), "\"3\"".into()));
    end.expect_nothing(ms(100)).await;
}

fn endless_limits() -> Limits {
    let day = ms(86_400_000);
    Limits { stall_timeout: day, opening_timeout: day, abandoned_age_max: day, ..Limits::default() }
}

/// A connection that has answered a command: when it is lost, the server does not count as down.
async fn prove(pipes: &mut Pipes, client: &memlink::Client) -> End {
    let proof = tokio::spawn(client.get("proof").into_future());
    let mut end = pipes.open().await;
    end.expect("mg proof v\r\n").await;
    end.say("EN\r\n").await;
    assert_eq!(proof.await.unwrap().show(), "none");
    end
}

/// What was written in part is written whole; what was not begun is taken back.
#[tokio::test(start_paused = true)]
async fn a_deadline_in_the_middle_of_a_write_is_not_known_to_have_failed() {
    let mut pipes = Pipes::new(64);
    let client = pipes.client(endless());
    let mut end = prove(&mut pipes, &client).await;
    let value = "x".repeat(40_000);
    let large = tokio::spawn(client.set("large", value.clone()).timeout(ms(300)).into_future());
    sleep(ms(1)).await;
    check("second", client.get("second").timeout(ms(200)), 200, ErrorKind::Deadline, Outcome::NotSent).await;
    assert_eq!(large.await.unwrap().show(), "Deadline Unknown");
    let third = tokio::spawn(client.get("third").into_future());
    end.expect("ms large 40000\r\n").await;
    end.expect(&value).await;
    end.expect("\r\nmg third v\r\n").await;
    end.say("HD\r\nVA 1\r\n3\r\n").await;
    assert_eq!(third.await.unwrap().show(), "\"3\"");
    let counters = client.stats().servers[0].counters;
    assert_eq!((counters.opened, counters.in_flight, counters.expired, counters.cut), (1, 0, 2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_late_reply_is_nobody_elses() {
    let mut pipes = Pipes::new(ROOM);
    let client = pipes.client(endless());
    let mut end = prove(&mut pipes, &client).await;
    check("late", client.get("a").timeout(ms(100)), 100, ErrorKind::Deadline, Outcome::Unknown).await;
    let next = tokio::spawn(client.get("b").into_future());
    end.expect("mg a v\r\nmg b v\r\n").await;
    end.say("VA 1\r\na\r\n").await;
    sleep(ms(50)).await;
    end.say("VA 1\r\nb\r\n").await;
    assert_eq!(next.await.unwrap().show(), "\"b\"");
    assert_eq!(client.stats().servers[0].counters.opened, 1);
}

#[tokio::test(start_paused = true)]
async fn silence_closes_a_connection_and_slowness_does_not() {
    let mut pipes = Pipes::new(ROOM);
    let client = pipes.client(endless().limits(Limits { stall_timeout: ms(3_000), ..endless_limits() }));
    let slow = tokio::spawn(client.get("slow").into_future());
    let mut end = pipes.open().await;
    end.expect("mg slow v\r\n").await;
    for piece in ["V", "A 4", "\r", "\n", "s", "lo", "w", "\r"] {
        sleep(ms(2_900)).await;
        end.say(piece).await;
    }
    sleep(ms(2_900)).await;
    end.say("\n").await;
    assert_eq!(slow.await.unwrap().show(), "\"slow\"");
    let stalled = client.get("silent").into_future();
    check("silent", stalled, 3_000, ErrorKind::ConnectionLost, Outcome::Unknown).await;
    end.expect("mg silent v\r\n").await;
    end.expect_end().await;
    // Half a reply is no reply.
    let torn = tokio::spawn(client.get("torn").into_future());
    let mut end = pipes.open().await;
    end.expect("mg torn v\r\n").await;
    end.say("VA 4\r\nto").await;
    let error = torn.await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::ConnectionLost, Outcome::Unknown));
    end.expect_end().await;
}

/// As memcached does it: nothing is read while there is something to write. Bytes come, so it is not silent, however long it takes them.
#[tokio::test(start_paused = true)]
async fn a_server_that_answers_slowly_and_reads_nothing_meanwhile_is_not_silent() {
    let mut pipes = Pipes::new(64);
    let client = pipes.client(endless().limits(Limits { stall_timeout: ms(3_000), ..endless_limits() }));
    let mut end = prove(&mut pipes, &client).await;
    let slow = tokio::spawn(client.get("slow").into_future());
    end.expect("mg slow v\r\n").await;
    let value = "x".repeat(40_000);
    let large = tokio::spawn(client.set("large", value.clone()).into_future());
    for piece in ["VA 4\r\n", "s", "l", "o", "w\r\n"] {
        sleep(ms(2_900)).await;
        end.say(piece).await;
    }
    assert_eq!(slow.await.unwrap().show(), "\"slow\"");
    end.expect(&format!("ms large 40000\r\n{value}\r\n")).await;
    end.say("HD\r\n").await;
    assert_eq!(large.await.unwrap().show(), "done");
    // With nothing more to say it is.
    tokio::spawn(client.set("large", value).into_future());
    sleep(ms(2_990)).await;
    assert_eq!(client.stats().servers[0].counters.closed, 0);
    sleep(ms(20)).await;
    assert_eq!(client.stats().servers[0].counters.closed, 1);
}

/// A steady stream of new commands does not hide the silence.
#[tokio::test(start_paused = true)]
async fn silence_is_found_whatever_the_traffic() {
    let mut pipes = Pipes::new(1 << 20);
    let client = pipes.client(endless().limits(Limits { stall_timeout: ms(3_000), ..endless_limits() }));
    let first = tokio::spawn(client.get("first").into_future());
    let _end = pipes.open().await;
    let begun = Instant::now();
    let mut callers = Vec::new();
    while client.stats().servers[0].counters.closed == 0 {
        assert!(begun.elapsed() < ms(3_100), "the silence was not found");
        callers.push(tokio::spawn(client.get("more").timeout(ms(500)).into_future()));
        sleep(ms(5)).await;
    }
    assert!(begun.elapsed() >= ms(2_990), "{:?}", begun.elapsed());
    assert_eq!(first.await.unwrap().unwrap_err().kind(), ErrorKind::ConnectionLost);
}

/// Not one of the two commands was handed over whole, so both go again by themselves, within the same deadline.
#[tokio::test(start_paused = true)]
async fn what_was_not_sent_goes_again_and_what_was_does_not() {
    let mut pipes = Pipes::new(64);
    let client = pipes.client(endless().timeout(ms(1_000)));
    let mut end = prove(&mut pipes, &client).await;
    let value = "x".repeat(40_000);
    let large = tokio::spawn(client.set("large", value.clone()).into_future());
    sleep(ms(1)).await;
    let small = tokio::spawn(client.get("small").into_future());
    end.expect("ms large 40000\r\nxxx").await;
    drop(end);
    let mut end = pipes.open().await;
    // Which of them is first this time is not promised.
    let mut seen = String::new();
    while !(seen.contains("mg small v\r\n") && seen.contains(&format!("{value}\r\n"))) {
        seen.push_str(&end.some().await);
    }
    let is_large_first = seen.starts_with("ms");
    end.say(if is_large_first { "HD\r\nEN\r\n" } else { "EN\r\nHD\r\n" }).await;
    assert_eq!((large.await.unwrap().show(), small.await.unwrap().show()), ("done".into(), "none".into()));

    let sent = tokio::spawn(client.increment("n").into_future());
    end.expect("ma n v\r\n").await;
    drop(end);
    let error = sent.await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::ConnectionLost, Outcome::Unknown));
    assert!(!error.is_retryable());
    pipes.open().await.expect_nothing(ms(500)).await;
}

/// A deadline is not begun anew by another attempt.
#[tokio::test(start_paused = true)]
async fn attempts_share_one_deadline() {
    let mut pipes = Pipes::new(64);
    let client = pipes.client(endless());
    let end = prove(&mut pipes, &client).await;
    let begun = Instant::now();
    let set = tokio::spawn(client.set("large", "x".repeat(40_000)).timeout(ms(500)).into_future());
    sleep(ms(400)).await;
    drop(end);
    let _end = pipes.open().await;
    assert_eq!(set.await.unwrap().show(), "Deadline Unknown");
    assert!(begun.elapsed() <= ms(501), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_frozen_server_is_left_and_found_again() {
    let memcached = Memcached::start();
    let limits = Limits { stall_timeout: ms(300), opening_timeout: ms(300), ..Limits::default() };
    let settings = Settings::default().timeout(None).limits(limits).backoff(ms(10), ms(50));
    let client = memcached.client_with(settings).await;
    client.set("k", "v").await.unwrap();
    memcached.freeze();
    let late = client.get("k").timeout(ms(20)).await;
    assert_eq!(late.show(), "Deadline Unknown");
    let begun = std::time::Instant::now();
    assert_eq!(client.increment("n").initial(1).await.show(), "ConnectionLost Unknown");
    assert!(begun.elapsed() < ms(5_000));
    until_async("it counts as down", async || client.get("k").await.is_err_and(|e| e.kind() == ErrorKind::ServerDown))
        .await;
    memcached.thaw();
    until_async("it answers again", async || client.get("k").await.is_ok()).await;
    assert!(client.stats().servers[0].counters.opened >= 2);
}

/// A program that was suspended finds the replies and its deadlines passed at the same moment: what has come counts, all of it.
#[tokio::test(start_paused = true)]
async fn replies_that_came_in_time_are_not_late_because_the_program_was_suspended() {
    const CALLERS: usize = 200;
    let mut pipes = Pipes::new(ROOM);
    let client = pipes.client(Settings::default());
    let mut end = prove(&mut pipes, &client).await;
    // In the middle of handing them over, too.
    for round in 0..9 {
        let gets: Vec<_> = (0..CALLERS).map(|_| tokio::spawn(client.get("k").timeout(ms(300)).into_future())).collect();
        end.expect(&"mg k v\r\n".repeat(CALLERS)).await;
        // Everything is there, and then all the time is over at once.
        end.say(&format!("VA 200\r\n{:>200}\r\n", round).repeat(CALLERS)).await;
        for _ in 0..round {
            tokio::task::yield_now().await;
        }
        tokio::time::advance(ms(4_000)).await;
        for get in gets {
            assert_eq!(get.await.unwrap().show(), format!("\"{round:>200}\""));
        }
    }
}

/// What it has not written it does not hold against the server.
#[tokio::test(start_paused = true)]
async fn a_program_that_was_suspended_in_the_middle_of_a_write_goes_on_with_it() {
    const PIECE: usize = 64;
    let mut pipes = Pipes::new(PIECE);
    let client = pipes.client(endless().limits(Limits { stall_timeout: ms(3_000), ..endless_limits() }));
    let mut end = prove(&mut pipes, &client).await;
    let value = "x".repeat(1_000);
    let command = format!("ms large 1000\r\n{value}\r\n");
    let large = tokio::spawn(client.set("large", value).into_future());
    let (pieces, rest) = command.split_at(10 * PIECE);
    for piece in pieces.as_bytes().chunks(PIECE) {
        end.expect(std::str::from_utf8(piece).unwrap()).await;
        // There is room again, and then a time longer than any silence is over at once.
        tokio::time::advance(ms(4_000)).await;
    }
    end.expect(rest).await;
    end.say("HD\r\n").await;
    assert_eq!(large.await.unwrap().show(), "done");
    assert_eq!(client.stats().servers[0].counters.opened, 1);
}

/// After a pause of the whole program, all that lies in the socket has come: also more than tokio lets a task read in one turn.
#[tokio::test(start_paused = true)]
async fn all_that_has_come_in_time_counts_however_much_it_is() {
    const GETS: usize = 200;
    let mut pipes = Pipes::new(8 << 20);
    let client = pipes.client(endless().timeout(ms(5_000)));
    let gets = (0..GETS).map(|_| client.get("k").into_future());
    let gets = tokio::spawn(futures_util::future::join_all(gets));
    let mut end = pipes.open().await;
    end.expect(&"mg k v\r\n".repeat(GETS)).await;
    let value = "v".repeat(17_000);
    // In one go: the client does not run before it is all there, and its time is over.
    let answers = format!("VA 17000\r\n{value}\r\n").repeat(GETS);
    let (_, ()) = futures_util::future::join(end.say(&answers), tokio::time::advance(ms(6_000))).await;
    let found = gets.await.unwrap();
    assert_eq!(found.iter().filter(|got| got.is_ok()).count(), GETS);
}
