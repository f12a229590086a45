//! What becomes of commands whose server is down: what the user has chosen, and by default nothing but an error.

use std::collections::HashMap;

use memlink::{Client, ErrorKind, Outcome, Router, Settings, Source, WhenDown};

use crate::memcached::{Memcached, patient};
use crate::show::Show as _;
use crate::wait::until_async;

async fn three(settings: Settings) -> (Vec<Memcached>, Client) {
    let servers: Vec<_> = (0..3).map(|_| Memcached::start()).collect();
    let client = Client::builder().servers(servers.iter().map(Memcached::server)).settings(settings).connect().await;
    (servers, client.unwrap())
}

fn keys_of(client: &Client, server: &Memcached) -> Vec<String> {
    let keys = (0..300).map(|n| format!("key-{n}"));
    keys.filter(|key| client.server_of(key).unwrap() == server.address()).collect()
}

/// Kills a server and waits until it is known to be dead.
async fn kill(client: &Client, server: &mut Memcached) {
    let key = keys_of(client, server).remove(0);
    server.kill();
    let state = |client: &Client| {
        let servers = client.stats().servers;
        servers.iter().find(|one| one.server == server.address()).map(|one| one.state)
    };
    until_async("it is known to be dead", async || {
        let _ = client.get(&key).await;
        state(client) == Some(memlink::LinkState::Down)
    })
    .await;
}

#[tokio::test]
async fn by_default_no_other_server_answers() {
    let (mut servers, client) = three(patient()).await;
    kill(&client, &mut servers[0]).await;
    for key in keys_of(&client, &servers[0]) {
        let error = client.get(&key).with_source().await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::ServerDown, Outcome::NotSent));
        assert_eq!(client.set(&key, "v").await.show(), "ServerDown NotSent");
    }
    for server in &servers[1..] {
        for key in keys_of(&client, server) {
            client.set(&key, "v").await.unwrap();
            let got = client.get(&key).with_source().await.unwrap();
            assert_eq!((got.output.show(), got.source), ("\"v\"".to_owned(), Source::Owner));
        }
    }
    let stats = client.stats();
    assert_eq!((stats.reads_without_server, stats.writes_without_server, stats.substituted), (0, 0, 0));
}

#[tokio::test]
async fn a_dead_server_can_be_a_miss() {
    let (mut servers, client) = three(patient().when_down(WhenDown::Miss)).await;
    kill(&client, &mut servers[0]).await;
    let before = client.stats().reads_without_server;
    let keys = keys_of(&client, &servers[0]);
    let n = keys.len() as u64;
    for key in &keys {
        let got = client.get(key).with_source().await.unwrap();
        assert_eq!((got.output, got.source), (None, Source::Nobody));
        let set = client.set(key, "v").with_source().await.unwrap();
        assert_eq!(set.source, Source::Nobody);
        assert_eq!(client.add(key, "v").await.show(), "false");
        assert_eq!(client.delete(key).await.show(), "false");
        assert_eq!(client.increment(key).await.show(), "none");
        assert_eq!(client.touch(key, std::time::Duration::from_secs(60)).await.show(), "false");
        // Who asks for more than a plain answer is not told a plain lie.
        assert_eq!(client.set(key, "v").with_cas().await.show(), "ServerDown NotSent");
        assert_eq!(client.delete(key).compare_cas(1).await.show(), "ServerDown NotSent");
    }
    let stats = client.stats();
    assert_eq!((stats.reads_without_server - before, stats.writes_without_server, stats.substituted), (n, n * 5, 0));
    // The same for many keys, which say which of them no server has seen.
    let all: Vec<_> = (0..300).map(|n| format!("key-{n}")).collect();
    let of_dead: Vec<_> = (0..300).filter(|n| keys.contains(&all[*n])).collect();
    let set = client.set_many(all.iter().map(|key| (key, "v"))).await;
    assert_eq!((set.without_server(), set.errors().count()), (&of_dead[..], 0));
    let got = client.get_many(&all).await;
    assert_eq!(got.without_server(), of_dead);
    assert!(got.iter().enumerate().all(|(n, got)| got.as_ref().is_ok_and(|got| got.is_none() == of_dead.contains(&n))));
    let deleted = client.delete_many(&all).await;
    assert!(deleted.iter().enumerate().all(|(n, gone)| gone.as_ref().is_ok_and(|gone| *gone != of_dead.contains(&n))));
    assert_eq!(client.stats().reads_without_server - before, n * 2);

    servers[0].revive();
    until_async("it is used again", async || {
        client.set(&keys[0], "v").with_source().await.is_ok_and(|set| set.source == Source::Owner)
    })
    .await;
    assert_eq!(client.get(&keys[0]).await.show(), "\"v\"");
}

#[tokio::test]
async fn another_server_can_stand_in() {
    let (mut servers, client) = three(patient().when_down(WhenDown::NextServer)).await;
    kill(&client, &mut servers[0]).await;
    let mut stand_ins = HashMap::<String, usize>::new();
    let keys = keys_of(&client, &servers[0]);
    for key in &keys {
        let set = client.set(key, key.clone()).with_source().await.unwrap();
        let Source::StandIn(server) = set.source else { panic!("{:?}", set.source) };
        assert_ne!(*server, *servers[0].address());
        *stand_ins.entry(server.to_string()).or_default() += 1;
        let got = client.get(key).with_source().await.unwrap();
        assert_eq!((got.output.show(), got.source), (format!("{key:?}"), Source::StandIn(server)));
    }
    // They are spread over all that are left.
    assert_eq!(stand_ins.len(), 2, "{stand_ins:?}");
    assert!(stand_ins.values().all(|n| *n > keys.len() / 4), "{stand_ins:?}");
    let many = client.get_many(&keys).await.all().unwrap();
    assert!(keys.iter().zip(many).all(|(key, got)| got.is_some_and(|got| got == **key)));
    assert!(client.stats().substituted >= keys.len() as u64 * 2);

    // Two of three: the last one has everything. With all three there is nobody.
    kill_known(&client, &mut servers, 1).await;
    for key in &keys {
        assert_eq!(client.set(key, "v").await.show(), "done");
    }
    kill_known(&client, &mut servers, 2).await;
    until_async("nobody is left", async || client.get(&keys[0]).await.show() == "ServerDown NotSent").await;

    servers.iter_mut().for_each(Memcached::revive);
    until_async("the owner is back", async || {
        client.get(&keys[0]).with_source().await.is_ok_and(|got| got.source == Source::Owner)
    })
    .await;
}

/// All keys on one server, and no word on who else could have them.
struct First;

impl Router for First {
    fn route(&self, _key: &[u8]) -> usize {
        0
    }
}

/// A router that names none but servers that are down keeps nobody from those that are up.
#[tokio::test]
async fn whoever_is_up_can_stand_in_whatever_the_router_says() {
    let mut servers: Vec<_> = (0..4).map(|_| Memcached::start()).collect();
    let listed = servers.iter().map(Memcached::server).enumerate();
    let listed = listed.map(|(index, server)| server.weight(u32::from(index != 1)));
    let settings = patient().when_down(WhenDown::NextServer);
    let client = Client::builder().servers(listed).router(First).settings(settings).connect().await.unwrap();
    let source = async || client.set("k", "v").with_source().await.map(|set| set.source).map_err(|error| error.kind());
    assert_eq!(source().await, Ok(Source::Owner));
    kill(&client, &mut servers[0]).await;
    // The next one has been given no keys.
    assert_eq!(source().await, Ok(Source::StandIn(servers[2].address().into())));
    servers[2].kill();
    let last = Ok(Source::StandIn(servers[3].address().into()));
    until_async("the last one stands in", async || source().await == last).await;
    servers[3].kill();
    until_async("nobody is left", async || source().await == Err(ErrorKind::ServerDown)).await;
}

async fn kill_known(client: &Client, servers: &mut [Memcached], index: usize) {
    let address = servers[index].address();
    servers[index].kill();
    until_async("it is known to be dead", async || {
        for n in 0..20 {
            let _ = client.get(format!("key-{n}")).await;
        }
        let servers = client.stats().servers;
        servers.iter().any(|one| one.server == address && one.state == memlink::LinkState::Down)
    })
    .await;
}
