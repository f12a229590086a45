//! Servers that fall silent, flap, or answer nonsense: when they are asked, and when not.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use memlink::{Client, Event, Settings};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::memcached::{Memcached, patient};
use crate::pipe::{Dialled, Pipes};
use crate::show::Show as _;
use crate::wait::{until, until_async};

const SECOND: Duration = Duration::from_secs(1);

fn told() -> (Settings, Arc<Mutex<Vec<String>>>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let told = events.clone();
    let settings = Settings::default().on_event(move |event| {
        if matches!(event, Event::Suspended { .. } | Event::Resumed { .. }) {
            told.lock().unwrap().push(event.to_string().split(['(', '\n']).next().unwrap().trim().to_owned());
        }
    });
    (settings, events)
}

async fn shown(client: &Client, key: &str) -> String {
    client.get(key).await.show()
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_not_asked_until_it_speaks() {
    let mut pipes = Pipes::new(1 << 16);
    let (settings, events) = told();
    let client = pipes.client(settings);
    let asked = join_all(["a", "b", "c"].map(|key| shown(&client, key)));
    let (asked, mut end) = futures_util::future::join(asked, pipes.open()).await;
    assert_eq!(asked, ["Deadline Unknown"; 3]);
    let begun = Instant::now();
    assert_eq!(shown(&client, "d").await, "ServerDown NotSent");
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(*events.lock().unwrap(), ["in-memory:11211: suspended"]);
    // What was asked is answered at last: the replies are nobody's, and the server is there.
    end.expect("mg a v\r\nmg b v\r\nmg c v\r\n").await;
    end.say("EN\r\nEN\r\nEN\r\n").await;
    until("it is asked again", || events.lock().unwrap().len() == 2).await;
    assert_eq!(events.lock().unwrap()[1], "in-memory:11211: answers again");
    let (answer, ()) = futures_util::future::join(shown(&client, "e"), async {
        end.expect("mg e v\r\n").await;
        end.say("EN\r\n").await;
    })
    .await;
    assert_eq!(answer, "none");
    assert_eq!(client.stats().servers[0].counters.opened, 1, "the same connection");
}

/// Whether requests reach their deadlines or are dropped by their callers.
#[tokio::test(start_paused = true)]
async fn callers_who_give_up_show_silence_too() {
    let mut pipes = Pipes::new(1 << 16);
    let (settings, events) = told();
    let client = pipes.client(settings.timeout(Duration::from_secs(60)));
    let (_, _end) = futures_util::future::join(timeout(SECOND, client.get("k").into_future()), pipes.open()).await;
    for _ in 0..2 {
        assert!(timeout(SECOND / 4, client.get("k").into_future()).await.is_err());
    }
    // The next expiry, of whatever kind, looks at the silence.
    assert_eq!(client.get("k").timeout(SECOND / 10).await.show(), "Deadline Unknown");
    assert_eq!(shown(&client, "k").await, "ServerDown NotSent");
    assert_eq!(events.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_slow_server_is_asked_on() {
    let mut pipes = Pipes::new(1 << 16);
    let (settings, events) = told();
    let client = pipes.client(settings);
    let (first, mut end) = futures_util::future::join(shown(&client, "k"), pipes.open()).await;
    assert_eq!(first, "Deadline Unknown");
    // Every reply comes when its caller has gone, and yet there is one in every 400 ms.
    for _ in 0..50 {
        let (answers, ()) = futures_util::future::join(join_all((0..4).map(|_| shown(&client, "k"))), async {
            for _ in 0..3 {
                sleep(Duration::from_millis(400)).await;
                end.say("EN\r\n").await;
            }
        })
        .await;
        assert!(answers.iter().all(|answer| answer == "Deadline Unknown" || answer == "none"), "{answers:?}");
    }
    assert_eq!(*events.lock().unwrap(), Vec::<String>::new());
}

/// A single command without a reply, or several within a moment, are no reason.
#[tokio::test(start_paused = true)]
async fn a_moment_of_silence_is_nothing() {
    let mut pipes = Pipes::new(1 << 16);
    let (settings, events) = told();
    let client = pipes.client(settings);
    let (first, mut end) = futures_util::future::join(client.get("k").timeout(SECOND).into_future(), async {
        let mut end = pipes.open().await;
        end.expect("mg k v\r\n").await;
        end.say("EN\r\n").await;
        end
    })
    .await;
    assert_eq!(first.show(), "none");
    let short = |_| client.get("k").timeout(Duration::from_millis(100)).into_future();
    let answers: Vec<_> = join_all((0..10).map(short)).await.iter().map(|answer| answer.show()).collect();
    assert_eq!(answers, ["Deadline Unknown"; 10]);
    end.say(&"EN\r\n".repeat(10)).await;
    until("all are eaten", || client.stats().servers[0].counters.in_flight == 0).await;
    assert_eq!(client.get("k").await.show(), "Deadline Unknown");
    assert_eq!(*events.lock().unwrap(), Vec::<String>::new());
}

/// A proxy that says its name and has lost what is behind it: it is left alone, and asked now and then with another key.
#[tokio::test(start_paused = true)]
async fn a_proxy_without_its_servers_is_left_alone() {
    let mut pipes = Pipes::new(1 << 16);
    let (settings, events) = told();
    let client = pipes.client(settings);
    let faulty = "SERVER_ERROR backend failure\r\n";
    let asker = tokio::spawn({
        let client = client.clone();
        async move {
            let mut answers = Vec::new();
            for _ in 0..22 {
                sleep(Duration::from_millis(30)).await;
                answers.push(shown(&client, "k").await);
            }
            answers
        }
    });
    let mut end = pipes.open().await;
    for _ in 0..20 {
        end.expect("mg k v\r\n").await;
        end.say(faulty).await;
    }
    until("it is suspended", || !events.lock().unwrap().is_empty()).await;
    for number in 0..3 {
        end.expect(&format!("mg memlink:probe:{number} s\r\n")).await;
        end.say(faulty).await;
    }
    end.expect("mg memlink:probe:3 s\r\n").await;
    let answers = asker.await.unwrap();
    assert_eq!(answers[..20], ["Server Answered"; 20]);
    assert_eq!(answers[20..], ["ServerDown NotSent"; 2]);
    end.say("EN\r\n").await;
    until("it is asked again", || events.lock().unwrap().len() == 2).await;
    let (answer, ()) = futures_util::future::join(shown(&client, "k"), async {
        end.expect("mg k v\r\n").await;
        end.say("EN\r\n").await;
    })
    .await;
    assert_eq!(answer, "none");
}

/// An observer that panics when it is told keeps nobody from asking again.
#[tokio::test(start_paused = true)]
async fn a_proxy_is_asked_again_though_whoever_was_told_has_panicked() {
    let mut pipes = Pipes::new(1 << 16);
    let told = Arc::new(AtomicBool::new(false));
    let is_told = told.clone();
    let client = pipes.client(Settings::default().on_event(move |event| {
        assert!(!matches!(event, Event::Suspended { .. }) || is_told.swap(true, SeqCst), "an observer's own mistake");
    }));
    let asker = tokio::spawn(async move {
        loop {
            sleep(Duration::from_millis(30)).await;
            let client = client.clone();
            let _ = tokio::spawn(async move { client.get("k").await }).await;
        }
    });
    let mut end = pipes.open().await;
    for _ in 0..20 {
        end.expect("mg k v\r\n").await;
        end.say("SERVER_ERROR backend failure\r\n").await;
    }
    end.expect("mg memlink:probe:0 s\r\n").await;
    end.say("EN\r\n").await;
    end.expect("mg k v\r\n").await;
    assert!(told.load(SeqCst));
    asker.abort();
}

/// It ends its connection while it is left alone: it is dialled all the same, or everybody would be refused for ever.
#[tokio::test(start_paused = true)]
async fn a_proxy_that_is_left_alone_and_goes_is_dialled_again() {
    // A connection that is young, and one that nobody needs because there is another.
    for (connections, pause) in [(1, 30), (2, 60)] {
        let mut pipes = Pipes::new(1 << 16);
        let (settings, events) = told();
        let client = pipes.client(settings.connections_per_server(connections));
        let asker = tokio::spawn({
            let client = client.clone();
            async move {
                loop {
                    sleep(Duration::from_millis(pause)).await;
                    let _ = client.get("k").await;
                }
            }
        });
        let mut ends = Vec::new();
        for _ in 0..connections {
            let mut end = pipes.open().await;
            ends.push(tokio::spawn(async move {
                while let Some(lines) = end.some_or_end().await {
                    end.say(&"SERVER_ERROR backend failure\r\n".repeat(lines.matches('\n').count())).await;
                }
            }));
        }
        until("each is suspended", || events.lock().unwrap().len() == connections).await;
        let dials = pipes.dials();
        ends.iter().for_each(JoinHandle::abort);
        for _ in 0..connections {
            let mut end = timeout(30 * SECOND, pipes.open()).await.expect("it is dialled");
            tokio::spawn(async move {
                while let Some(lines) = end.some_or_end().await {
                    end.say(&"EN\r\n".repeat(lines.matches('\n').count())).await;
                }
            });
        }
        assert!(pipes.dials() >= dials + connections);
        until_async("it is asked again", async || client.get("k").await.show() == "none").await;
        asker.abort();
    }
}

/// Whoever notices it may be in a runtime that nobody runs any more when the proxy is better: others are served all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_is_asked_again_though_whoever_left_it_alone_sleeps() {
    let mut pipes = Pipes::new(1 << 16);
    let (settings, events) = told();
    let client = pipes.client(settings);
    let is_away = Arc::new(AtomicBool::new(false));
    let (asked, mut end) = futures_util::future::join(client.get("k").into_future(), async {
        let mut end = pipes.open().await;
        end.expect("mg k v\r\n").await;
        end.say("EN\r\n").await;
        end
    })
    .await;
    assert_eq!(asked.show(), "none");
    let away = is_away.clone();
    tokio::spawn(async move {
        while let Some(lines) = end.some_or_end().await {
            let answer = if away.load(SeqCst) { "SERVER_ERROR backend failure\r\n" } else { "EN\r\n" };
            end.say(&answer.repeat(lines.matches('\n').count())).await;
        }
    });
    is_away.store(true, SeqCst);
    let asks = client.clone();
    let asleep = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("it starts");
        runtime.block_on(until_async("it is left alone", async || asks.get("k").await.show() == "ServerDown NotSent"));
        runtime
    });
    let asleep = tokio::task::spawn_blocking(|| asleep.join().expect("it was left alone")).await.expect("it has ended");
    assert_eq!(events.lock().unwrap().len(), 1);
    is_away.store(false, SeqCst);
    until_async("it is asked again", async || client.get("k").await.show() == "none").await;
    asleep.shutdown_background();
}

/// Whatever kind of request is told so.
#[tokio::test(start_paused = true)]
async fn a_proxy_without_its_servers_is_left_alone_by_bulks_too() {
    for kind in ["delete_many", "get_many", "batch", "stream"] {
        let mut pipes = Pipes::new(1 << 16);
        let (settings, events) = told();
        let client = pipes.client(settings);
        let asker = tokio::spawn(async move {
            loop {
                sleep(Duration::from_millis(30)).await;
                match kind {
                    "delete_many" => drop(client.delete_many(["k"]).await),
                    "get_many" => drop(client.get_many(["k", "l"]).await),
                    "batch" => drop(client.batch().delete("k").await),
                    _ => drop(client.delete_stream(["k"]).next().await),
                }
            }
        });
        let mut end = pipes.open().await;
        for _ in 0..20 {
            let lines = end.some().await;
            end.say(
                &lines
                    .lines()
                    .map(|line| if line == "mn" { "MN\r\n" } else { "SERVER_ERROR backend failure\r\n" })
                    .collect::<String>(),
            )
            .await;
        }
        until("it is suspended", || !events.lock().unwrap().is_empty()).await;
        end.expect("mg memlink:probe:0 s\r\n").await;
        asker.abort();
    }
}

/// One of several servers behind it is away: no reason to give up the others.
#[tokio::test(start_paused = true)]
async fn a_proxy_that_answers_some_keys_is_asked_on() {
    let mut pipes = Pipes::new(1 << 16);
    let (settings, events) = told();
    let client = pipes.client(settings);
    let asks = async {
        for n in 0..200 {
            sleep(Duration::from_millis(30)).await;
            let _ = client.get(if n % 10 == 0 { "good" } else { "lost" }).await;
        }
    };
    let answers = async {
        let mut end = pipes.open().await;
        for n in 0..200 {
            end.some().await;
            end.say(if n % 10 == 0 { "EN\r\n" } else { "SERVER_ERROR backend failure\r\n" }).await;
        }
    };
    futures_util::future::join(asks, answers).await;
    assert_eq!(*events.lock().unwrap(), Vec::<String>::new());
}

/// The real thing, frozen: its keys fail at once when it is known, and it is used again when it goes on.
#[tokio::test]
async fn a_frozen_memcached_fails_fast_and_comes_back() {
    let memcached = Memcached::start();
    let (settings, _) = told();
    let client = memcached.client_with(settings.timeout(Duration::from_millis(600))).await;
    client.set("k", "v").await.unwrap();
    memcached.freeze();
    let answers = join_all((0..8).map(|_| shown(&client, "k"))).await;
    assert_eq!(answers, ["Deadline Unknown"; 8]);
    for _ in 0..100 {
        let begun = std::time::Instant::now();
        assert_eq!(shown(&client, "k").await, "ServerDown NotSent");
        assert!(begun.elapsed() < Duration::from_millis(300), "{:?}", begun.elapsed());
    }
    memcached.thaw();
    until_async("it is used again", async || client.get("k").await.show() == "\"v\"").await;
}

/// Up for 300 ms, then gone: dialled at most forty times in half a minute, by one connection as by 32.
#[tokio::test(start_paused = true)]
async fn a_flapping_server_is_dialled_ever_more_seldom() {
    for connections in [1, 32] {
        let mut pipes = Pipes::new(1 << 16);
        let client = pipes.client(patient().connections_per_server(connections));
        let caller = tokio::spawn({
            let client = client.clone();
            async move {
                loop {
                    let _ = client.get("k").timeout(SECOND / 2).await;
                    sleep(Duration::from_millis(10)).await;
                }
            }
        });
        let ends = serve(&mut pipes, SECOND).await;
        assert_eq!(pipes.dials(), connections, "all of them are open");
        ends.iter().for_each(JoinHandle::abort);
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(30) {
            pipes.set(Dialled::Refused);
            sleep(Duration::from_millis(300)).await;
            pipes.set(Dialled::Accepted);
            serve(&mut pipes, Duration::from_millis(300)).await.iter().for_each(JoinHandle::abort);
        }
        caller.abort();
        let dials = pipes.dials() - connections;
        println!("{dials} dials of {connections} connections in 30 s of a server that flaps");
        assert!((10..=40).contains(&dials), "{dials} dials of {connections} connections");
    }
}

/// Answers every command on every connection that is made within this time; each goes on until it is aborted.
async fn serve(pipes: &mut Pipes, time: Duration) -> Vec<JoinHandle<()>> {
    let mut ends = Vec::new();
    let accept = async {
        loop {
            let mut end = pipes.open().await;
            ends.push(tokio::spawn(async move {
                while let Some(lines) = end.some_or_end().await {
                    end.say(&"EN\r\n".repeat(lines.matches('\n').count())).await;
                }
            }));
        }
    };
    let _ = timeout(time, accept).await;
    ends
}
