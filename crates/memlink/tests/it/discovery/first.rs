//! Before the first list.

use std::time::Duration;

use memlink::{Client, ErrorKind, Outcome, Server};

use super::told::{Events, Told, list, servers};
use crate::show::Show as _;
use crate::wait::until;

#[tokio::test]
async fn requests_of_every_kind_wait_for_the_first_list() {
    let [one, other, third] = servers().await;
    let (source, events) = (Told::silent("told"), Events::default());
    let client = events.builder().discover(source.clone()).build().unwrap();
    assert_eq!((source.asked(), client.cluster().topology().len()), (0, 0), "nobody has asked for anything");
    let keys: Vec<String> = (0..100).map(|n| format!("key-{n}")).collect();
    let set = tokio::spawn(client.set("key", "value").into_future());
    let many = tokio::spawn({
        let (client, keys) = (client.clone(), keys.clone());
        async move {
            client.set_many(keys.iter().map(|key| (key, key.clone()))).await.all().map(|_| ())?;
            client.get_many(&keys).await.all().map(|got| got.into_iter().flatten().count())
        }
    });
    let lines = tokio::spawn({
        let (client, keys) = (client.clone(), keys.clone());
        async move { client.get_many(&keys).await.all().map(|got| got.len()) }
    });
    let batch = tokio::spawn({
        let client = client.clone();
        async move { client.batch().set("b", "1").get("b").increment("n", 1).await.all().map(|outcomes| outcomes.len()) }
    });
    let noop = tokio::spawn({
        let client = client.clone();
        async move { client.noop().await }
    });
    until("the source is asked", || source.asked() == 1).await;
    assert!(!set.is_finished() && !many.is_finished() && !lines.is_finished() && !batch.is_finished());
    source.say(list(&[&one, &other, &third]));
    assert_eq!(set.await.unwrap().show(), "done");
    assert_eq!(
        (many.await.unwrap().unwrap(), lines.await.unwrap().unwrap(), batch.await.unwrap().unwrap()),
        (100, 100, 3)
    );
    let noop = noop.await.unwrap();
    assert!(noop.len() == 3 && noop.iter().all(|answer| answer.reply.is_ok()), "{noop:?}");
    assert_eq!(client.get("key").await.show(), "\"value\"");
    assert!([&one, &other, &third].iter().all(|server| server.stats().items > 0));
    until("it is told", || events.have("added to the servers")).await;
    assert!(!events.have("no new list"));
}

#[tokio::test]
async fn a_source_that_has_failed_is_why_requests_are_refused() {
    let ([server], source, events) = (servers().await, Told::silent("told"), Events::default());
    source.fail("the registry is on fire");
    let client = events.builder().discover(source.clone()).build().unwrap();
    for error in [client.get("key").await.unwrap_err(), client.noop().await.remove(0).reply.unwrap_err()] {
        assert_eq!(
            (error.kind(), error.outcome(), error.server()),
            (ErrorKind::ServerDown, Outcome::NotSent, Some("told"))
        );
        assert!(error.to_string().contains("no servers from told: the registry is on fire"), "{error}");
    }
    let connected = events.builder().discover(source.clone()).connect().await.map(|_| ());
    assert!(connected.unwrap_err().to_string().contains("on fire"));
    assert!(events.have("told: no new list of servers: the registry is on fire"));
    source.say(list(&[&server]));
    until("the servers are found", || client.cluster().topology().len() == 1).await;
    assert_eq!(client.get("key").await.show(), "none");
    let connected = events.builder().discover(source).connect().await.unwrap();
    assert_eq!(connected.get("key").await.show(), "none");
}

#[tokio::test]
async fn a_deadline_holds_while_servers_are_looked_for() {
    let client = Client::builder().discover(Told::silent("told")).build().unwrap();
    let short = Duration::from_millis(30);
    assert_eq!(client.get("key").timeout(short).await.show(), "Deadline NotSent");
    assert_eq!(client.get_many(["a", "b"]).timeout(short).await[1].show(), "Deadline NotSent");
    let settings = memlink::Settings::default().timeout(short);
    let client = Client::builder().settings(settings).discover(Told::silent("told")).build().unwrap();
    assert_eq!(client.noop().await[0].reply.show(), "Deadline NotSent");
}

#[tokio::test]
async fn the_first_list_is_that_of_all_sources_and_a_server_found_twice_is_one() {
    let ([one, other], events) = (servers().await, Events::default());
    let (first, second) = (Told::silent("first"), Told::silent("second"));
    let fixed = Server::tcp(&one.address()).unwrap().weight(3);
    let builder = events.builder().server(fixed).discover(first.clone()).discover(second.clone());
    let client = builder.build().unwrap();
    let get = tokio::spawn(client.get("key").into_future());
    first.say(list(&[&one, &other]));
    until("it is asked again and again", || first.asked() > 3).await;
    assert!(!get.is_finished() && client.cluster().topology().is_empty());
    let spelled = format!("127.0.0.1:000{}", other.addr().port());
    second.say(vec![Server::tcp(&spelled).unwrap()]);
    assert_eq!(get.await.unwrap().show(), "none");
    let shown: Vec<_> =
        client.cluster().topology().servers().map(|server| (server.name().to_owned(), server.weighs())).collect();
    assert_eq!(shown, [(one.address(), 3), (other.address(), 1)]);
}

#[test]
fn what_cannot_be_is_told_when_the_client_is_built() {
    let source = || Told::silent("told");
    let only = memlink::Ring::new([("a", 1)]).unwrap();
    let fixed = Client::builder().discover(source()).router(only).build().map(|_| ()).unwrap_err();
    assert_eq!(fixed, memlink::ConfigError::FixedRouter);
    let twice = Client::builder().url("memcache://a,A:11211").unwrap().discover(source()).build().map(|_| ());
    assert!(matches!(twice, Err(memlink::ConfigError::DuplicateServer(_))));
    let client = Client::builder().discover(source()).build().unwrap();
    let get = futures_util::FutureExt::now_or_never(client.get("k").into_future()).expect("no wait");
    assert_eq!(get.show(), "NoRuntime NotSent");
    let noop = futures_util::FutureExt::now_or_never(client.noop()).expect("no wait");
    assert_eq!(noop[0].reply.show(), "NoRuntime NotSent");
    for url in
        ["memcache://dns+", "memcache://dns+a:0", "memcache://elasticache+a b", "memcache://elasticache+a,elasticache+"]
    {
        assert!(Client::builder().url(url).is_err(), "{url}");
    }
    let builder = Client::builder().url("memcache://dns+cache.svc,elasticache+a,elasticache+b:5").unwrap();
    let shown = format!("{builder:?}");
    assert!(shown.contains("[\"dns+cache.svc:11211\", \"elasticache+a:11211 or elasticache+b:5\"]"), "{shown}");
}
