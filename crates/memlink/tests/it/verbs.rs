//! Every verb and every option.

use std::time::Duration;

use memlink::{StatsKind, Ttl};

use crate::memcached::Memcached;
use crate::show::Show as _;
use crate::table::{AS_IT_WAS, Case, case, check};

const SECONDS_50: Duration = Duration::from_secs(50);

#[tokio::test]
async fn gets_give_what_is_asked_for() {
    let cases: &[Case] = &[
        case!("get", 0, |c, k| c.get(&k.hit) => "\"ada\"", AS_IT_WAS),
        case!("get of a miss", 0, |c, k| c.get(&k.missing) => "none", AS_IT_WAS),
        case!("client flags", 0, |c, k| c.get(&k.hit).with_client_flags() => "\"ada\" flags=7", AS_IT_WAS),
        case!("CAS id", 0, |c, k| c.get(&k.hit).with_cas() => "\"ada\" cas", AS_IT_WAS),
        case!("time left", 0, |c, k| c.get(&k.hit).with_ttl() => "\"ada\" ttl=100", AS_IT_WAS),
        case!("size", 0, |c, k| c.get(&k.hit).with_size() => "\"ada\" size=3", AS_IT_WAS),
        case!("hit before", 0, |c, k| c.get(&k.hit).with_hit_before() => "\"ada\" hit=false", AS_IT_WAS),
        case!("last access", 0, |c, k| c.get(&k.hit).with_last_access() => "\"ada\" access", AS_IT_WAS),
        case!("everything", 0, |c, k| c.get(&k.hit).with_client_flags().with_cas().with_ttl().with_size()
            .with_hit_before().with_last_access().no_bump()
            => "\"ada\" flags=7 cas ttl=100 size=3 hit=false access", AS_IT_WAS),
        case!("everything of a miss", 0, |c, k| c.get(&k.missing).with_client_flags().with_cas().with_ttl().with_size()
            => "none", AS_IT_WAS),
        case!("touch and the new time", 0, |c, k| c.get(&k.hit).touch(SECONDS_50).with_ttl()
            => "\"ada\" ttl=50", "\"ada\" flags=7 ttl=50"),
        case!("get and touch", 0, |c, k| c.get_and_touch(&k.hit, SECONDS_50) => "\"ada\"", "\"ada\" flags=7 ttl=50"),
        case!("get and touch of a miss", 0, |c, k| c.get_and_touch(&k.missing, SECONDS_50) => "none", AS_IT_WAS),
        case!("touch", 0, |c, k| c.touch(&k.hit, Ttl::NEVER) => "true", "\"ada\" flags=7 ttl=never"),
        case!("touch of a miss", 0, |c, k| c.touch(&k.missing, SECONDS_50) => "false", AS_IT_WAS),
        case!("touch to an end", 0, |c, k| c.touch(&k.hit, Ttl::EXPIRED) => "true", "none"),
        case!("peek", 0, |c, k| c.peek(&k.hit) => "\"\"", AS_IT_WAS),
        case!("peek of a miss", 0, |c, k| c.peek(&k.missing) => "none", AS_IT_WAS),
        case!("peek with all", 0, |c, k| c.peek(&k.hit).with_client_flags().with_cas().with_ttl().with_size()
            => "\"\" flags=7 cas ttl=100 size=3", AS_IT_WAS),
        case!("proxy hints", 0, |c, k| c.get(&k.hit).proxy_path("/a/").proxy_location("zone-1") => "\"ada\"", AS_IT_WAS),
        case!("unchanged", 0, |c, k| c.get(&k.hit).unless_cas(k.cas) => "\"\" unchanged", AS_IT_WAS),
        case!("unchanged with its id", 0, |c, k| c.get(&k.hit).unless_cas(k.cas).with_cas().with_size()
            => "\"\" cas size=3 unchanged", AS_IT_WAS),
        case!("changed", 0, |c, k| c.get(&k.hit).unless_cas(k.cas + 1_000) => "\"ada\"", AS_IT_WAS),
        case!("unless of a miss", 0, |c, k| c.get(&k.missing).unless_cas(1) => "none", AS_IT_WAS),
        case!("vivify of a hit", 0, |c, k| c.get(&k.hit).vivify(SECONDS_50) => "\"ada\"", AS_IT_WAS),
        case!("vivify of a miss", 0, |c, k| c.get(&k.missing).vivify(SECONDS_50).with_ttl()
            => "\"\" ttl=50 won", AS_IT_WAS),
        case!("vivify with an id", 27, |c, k| c.get(&k.missing).vivify(SECONDS_50).override_cas(77).with_cas()
            => "\"\" cas won", AS_IT_WAS),
        case!("recache in time", 0, |c, k| c.get(&k.hit).recache(SECONDS_50) => "\"ada\"", AS_IT_WAS),
        case!("recache when late", 0, |c, k| c.get(&k.hit).recache(Duration::from_secs(200))
            => "\"ada\" won", "\"ada\" flags=7 ttl=100 taken"),
        case!("unless of a value that is not asked for", 0, |c, k| c.peek(&k.hit).unless_cas(1)
            => "Invalid NotSent", AS_IT_WAS),
        case!("an id without vivify", 0, |c, k| c.get(&k.hit).override_cas(1) => "Invalid NotSent", AS_IT_WAS),
    ];
    check(cases).await;
}

#[tokio::test]
async fn stores_do_what_their_mode_and_options_say() {
    let cases: &[Case] = &[
        case!("set", 0, |c, k| c.set(&k.hit, "bob") => "done", "\"bob\" flags=0 ttl=never"),
        case!("set with a time and flags", 0, |c, k| c.set(&k.hit, "bob").ttl(SECONDS_50).client_flags(u32::MAX)
            => "done", "\"bob\" flags=4294967295 ttl=50"),
        case!("set of nothing", 0, |c, k| c.set(&k.hit, "") => "done", "\"\" flags=0 ttl=never"),
        case!("set with its id", 0, |c, k| c.set(&k.hit, "bob").with_cas() => "Stored cas", "\"bob\" flags=0 ttl=never"),
        case!("set with its size", 20, |c, k| c.set(&k.hit, "bobby").with_size()
            => "Stored size=5", "\"bobby\" flags=0 ttl=never"),
        case!("add of a hit", 0, |c, k| c.add(&k.hit, "bob") => "false", AS_IT_WAS),
        case!("add of a miss", 0, |c, k| c.add(&k.missing, "bob").ttl(SECONDS_50) => "true", AS_IT_WAS),
        case!("replace of a hit", 0, |c, k| c.replace(&k.hit, "bob") => "true", "\"bob\" flags=0 ttl=never"),
        case!("replace of a miss", 0, |c, k| c.replace(&k.missing, "bob") => "false", AS_IT_WAS),
        case!("append to a hit", 0, |c, k| c.append(&k.hit, "+b") => "true", "\"ada+b\" flags=7 ttl=100"),
        case!("append to a miss", 0, |c, k| c.append(&k.missing, "+b") => "false", AS_IT_WAS),
        case!("prepend to a hit", 0, |c, k| c.prepend(&k.hit, "b+") => "true", "\"b+ada\" flags=7 ttl=100"),
        case!("prepend to a miss", 0, |c, k| c.prepend(&k.missing, "b+") => "false", AS_IT_WAS),
        case!("append that creates", 20, |c, k| c.append(&k.missing, "b").vivify(SECONDS_50).client_flags(3)
            => "true", AS_IT_WAS),
        case!("prepend that creates", 20, |c, k| c.prepend(&k.missing, "b").vivify(SECONDS_50) => "true", AS_IT_WAS),
        case!("compare an equal id", 0, |c, k| c.set(&k.hit, "bob").compare_cas(k.cas)
            => "Stored", "\"bob\" flags=0 ttl=never"),
        case!("compare another id", 0, |c, k| c.set(&k.hit, "bob").compare_cas(k.cas + 1_000) => "Exists", AS_IT_WAS),
        case!("compare on a miss", 0, |c, k| c.set(&k.missing, "bob").compare_cas(k.cas) => "NotFound", AS_IT_WAS),
        case!("compare and ask for the id", 0, |c, k| c.set(&k.hit, "bob").compare_cas(k.cas + 1_000).with_cas()
            => "Exists", AS_IT_WAS),
        case!("replace with an equal id", 0, |c, k| c.replace(&k.hit, "bob").compare_cas(k.cas)
            => "Stored", "\"bob\" flags=0 ttl=never"),
        case!("append with another id", 0, |c, k| c.append(&k.hit, "bob").compare_cas(k.cas + 1_000)
            => "Exists", AS_IT_WAS),
        case!("choose the id", 27, |c, k| c.set(&k.hit, "bob").override_cas(77).with_cas()
            => "Stored cas", "\"bob\" flags=0 ttl=never"),
        case!("an older value is stored as stale", 0, |c, k| c.set(&k.hit, "bob").compare_cas(k.cas - 1).invalidate()
            => "Stored", "\"bob\" flags=0 ttl=100 won stale"),
        case!("proxy hints", 0, |c, k| c.set(&k.hit, "bob").proxy_path("p").proxy_location("l")
            => "done", "\"bob\" flags=0 ttl=never"),
        case!("add with an id to compare", 0, |c, k| c.add(&k.hit, "b").compare_cas(1) => "Invalid NotSent", AS_IT_WAS),
        case!("append with a time", 0, |c, k| c.append(&k.hit, "b").ttl(SECONDS_50) => "Invalid NotSent", AS_IT_WAS),
        case!("set that creates", 0, |c, k| c.set(&k.hit, "b").vivify(SECONDS_50) => "Invalid NotSent", AS_IT_WAS),
        case!("compare id 0", 0, |c, k| c.set(&k.hit, "b").compare_cas(0) => "Invalid NotSent", AS_IT_WAS),
    ];
    check(cases).await;
}

#[tokio::test]
async fn deletes_leave_what_they_say() {
    let cases: &[Case] = &[
        case!("delete", 0, |c, k| c.delete(&k.hit) => "true", "none"),
        case!("delete of a miss", 0, |c, k| c.delete(&k.missing) => "false", AS_IT_WAS),
        case!("delete with an equal id", 0, |c, k| c.delete(&k.hit).compare_cas(k.cas) => "Deleted", "none"),
        case!("delete with another id", 0, |c, k| c.delete(&k.hit).compare_cas(k.cas + 1_000) => "Exists", AS_IT_WAS),
        case!("delete of a miss with an id", 0, |c, k| c.delete(&k.missing).compare_cas(1) => "NotFound", AS_IT_WAS),
        case!("mark stale", 0, |c, k| c.delete(&k.hit).mark_stale() => "true", "\"ada\" flags=7 ttl=100 won stale"),
        case!("mark stale with a time", 0, |c, k| c.delete(&k.hit).mark_stale().ttl(SECONDS_50)
            => "true", "\"ada\" flags=7 ttl=50 won stale"),
        case!("mark a miss stale", 0, |c, k| c.delete(&k.missing).mark_stale() => "false", AS_IT_WAS),
        case!("mark stale with an id", 27, |c, k| c.delete(&k.hit).mark_stale().override_cas(77)
            => "true", "\"ada\" flags=7 ttl=100 won stale"),
        case!("drop the value", 27, |c, k| c.delete(&k.hit).drop_value().ttl(SECONDS_50)
            => "Deleted", "\"\" flags=0 ttl=50"),
        case!("drop the value with flags", 27, |c, k| c.delete(&k.hit).drop_value().ttl(SECONDS_50).client_flags(9)
            => "Deleted", "\"\" flags=9 ttl=50"),
        case!("drop the value and mark stale", 27, |c, k| c.delete(&k.hit).drop_value().mark_stale().ttl(SECONDS_50)
            => "Deleted", "\"\" flags=0 ttl=50 won stale"),
        case!("a time for nothing", 0, |c, k| c.delete(&k.hit).ttl(SECONDS_50) => "Invalid NotSent", AS_IT_WAS),
    ];
    check(cases).await;
}

#[tokio::test]
async fn numbers_count() {
    let cases: &[Case] = &[
        case!("increment", 0, |c, k| c.increment(&k.number) => "11", AS_IT_WAS),
        case!("increment by", 0, |c, k| c.increment(&k.number).by(90) => "100", AS_IT_WAS),
        case!("increment by 0", 0, |c, k| c.increment(&k.number).by(0) => "10", AS_IT_WAS),
        case!("increment wraps", 0, |c, k| c.increment(&k.number).by(u64::MAX) => "9", AS_IT_WAS),
        case!("decrement", 0, |c, k| c.decrement(&k.number) => "9", AS_IT_WAS),
        case!("decrement stops at 0", 0, |c, k| c.decrement(&k.number).by(100) => "0", AS_IT_WAS),
        case!("increment of a miss", 0, |c, k| c.increment(&k.missing) => "none", AS_IT_WAS),
        case!("increment of text", 0, |c, k| c.increment(&k.hit) => "Server Answered", AS_IT_WAS),
        case!("initial on a hit", 0, |c, k| c.increment(&k.number).initial(5) => "11", AS_IT_WAS),
        case!("initial on a miss", 0, |c, k| c.increment(&k.missing).by(2).initial(5) => "5", AS_IT_WAS),
        case!("initial of a decrement", 0, |c, k| c.decrement(&k.missing).initial(5).initial_ttl(SECONDS_50)
            => "5", AS_IT_WAS),
        case!("initial lives for ever", 0, |c, k| c.increment(&k.missing).initial(5).with_ttl()
            => "Done 5 ttl=never", AS_IT_WAS),
        case!("initial lives as long as its own time", 0, |c, k| c.increment(&k.missing).initial(5)
            .initial_ttl(SECONDS_50).with_ttl() => "Done 5 ttl=50", AS_IT_WAS),
        case!("initial lives as long as the time", 0, |c, k| c.increment(&k.missing).initial(5).ttl(SECONDS_50)
            .with_ttl() => "Done 5 ttl=50", AS_IT_WAS),
        case!("initial with both times", 0, |c, k| c.increment(&k.missing).ttl(Duration::from_secs(500)).initial(5)
            .initial_ttl(SECONDS_50).with_ttl() => "Done 5 ttl=50", AS_IT_WAS),
        case!("a time on a hit", 0, |c, k| c.increment(&k.number).ttl(SECONDS_50).with_ttl()
            => "Done 11 ttl=50", AS_IT_WAS),
        case!("compare an equal id", 0, |c, k| c.increment(&k.number).compare_cas(k.number_cas)
            => "Done 11", AS_IT_WAS),
        case!("compare another id", 0, |c, k| c.increment(&k.number).compare_cas(k.number_cas + 1_000)
            => "Exists", AS_IT_WAS),
        case!("ask for the id", 0, |c, k| c.increment(&k.number).with_cas() => "Done 11 cas", AS_IT_WAS),
        case!("choose the id", 27, |c, k| c.increment(&k.number).override_cas(77).with_cas()
            => "Done 11 cas", AS_IT_WAS),
        case!("debug", 0, |c, k| c.debug(&k.hit) => "item ttl=100 fetched=false cas size", AS_IT_WAS),
        case!("debug of a miss", 0, |c, k| c.debug(&k.missing) => "none", AS_IT_WAS),
    ];
    check(cases).await;
}

#[tokio::test]
async fn a_number_that_shrank_is_still_read_as_one() {
    let memcached = Memcached::start();
    let client = memcached.client().await;
    client.set("n", "10").await.unwrap();
    assert_eq!(client.decrement("n").await.unwrap(), Some(9));
    let value = client.get("n").await.unwrap().unwrap();
    assert_eq!((value.to_counter(), value.len()), (Some(9), 2));
}

#[tokio::test]
async fn commands_for_servers_are_answered_by_each() {
    let (one, two) = (Memcached::start(), Memcached::start());
    let servers = [one.server(), two.server()];
    let client = memlink::Client::builder().servers(servers).connect().await.unwrap();
    let names = [one.address(), two.address()];
    let check = |what: &str, replies: Vec<(String, String)>| {
        let (servers, shown): (Vec<_>, Vec<_>) = replies.into_iter().unzip();
        assert_eq!(servers, names, "{what}");
        assert!(shown.iter().all(|shown| shown == "done"), "{what}: {shown:?}");
    };
    macro_rules! shown {
        ($asked:expr, $show:expr) => {
            $asked.await.into_iter().map(|reply| (reply.server, reply.reply.map($show).show())).collect()
        };
    }
    check("noop", shown!(client.noop(), |()| ()));
    check("version", shown!(client.version(), |text| assert!(text.starts_with("1."), "{text}")));
    check("verbosity", shown!(client.verbosity(1), |()| ()));
    check("stats", shown!(client.server_stats(), |stats| assert!(stats.get("pid").is_some())));
    for kind in [StatsKind::Settings, StatsKind::Items, StatsKind::Slabs, StatsKind::Sizes, StatsKind::Connections] {
        check("stats of a kind", shown!(client.server_stats_of(kind), |_| ()));
    }
    check("stats reset", shown!(client.server_stats_of(StatsKind::Reset), |_| ()));
    let keys: Vec<_> = (0..100).map(|n| format!("key-{n}")).collect();
    client.set_many(keys.iter().map(|key| (key, "v"))).await.all().unwrap();
    check("flush_all in a while", shown!(client.flush_all(Some(Duration::from_secs(1_000))), |()| ()));
    assert!(client.get_many(&keys).await.all().unwrap().iter().all(Option::is_some));
    check("flush_all", shown!(client.flush_all(None), |()| ()));
    assert!(client.get_many(&keys).await.all().unwrap().iter().all(Option::is_none));
}

#[tokio::test]
async fn the_statistics_are_the_servers_own() {
    let memcached = Memcached::start();
    let client = memcached.client().await;
    let statistics = client.server_stats_of(StatsKind::Settings).await.remove(0).reply.unwrap();
    let port = memcached.address().rsplit_once(':').unwrap().1.to_owned();
    assert_eq!(statistics.get("tcpport"), Some(port.as_str()));
    assert!(statistics.len() > 20 && !statistics.is_empty());
}

#[tokio::test]
async fn unix_sockets_work_like_ports() {
    let memcached = Memcached::start_unix();
    let url = format!("memcache+unix://{}", memcached.socket_path().display());
    let client = memlink::Client::connect(&url).await.unwrap();
    client.set("k", vec![b'x'; 500_000]).await.unwrap();
    assert_eq!(client.get("k").await.unwrap().unwrap().len(), 500_000);
    assert_eq!(client.server_of("k").unwrap(), memcached.socket_path().display().to_string());
}
