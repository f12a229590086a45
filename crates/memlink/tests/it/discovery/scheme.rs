//! The scheme of another client, by a URL, for servers that come and go.

use memlink::schemes::{self, KeyPart, Scheme};
use memlink::{Client, ConfigError, Server};

use super::told::{Events, Told, list, servers};
use crate::show::Show as _;
use crate::wait::until;

/// Which server a scheme gives each of some keys.
fn places(scheme: &Scheme, servers: &[&str]) -> Vec<String> {
    let named: Vec<_> = servers.iter().map(|text| schemes::Server::parse(text).unwrap()).collect();
    let ring = scheme.ring(&named).unwrap();
    keys()
        .map(|key| format!("{}:{}", named[ring.route(key.as_bytes())].host(), named[ring.route(key.as_bytes())].port()))
        .collect()
}

fn keys() -> impl Iterator<Item = String> {
    (0..500).map(|n| format!("user:{{{}}}:{n}", n % 50))
}

fn places_of(client: &Client) -> Vec<String> {
    keys().map(|key| client.server_of(key).unwrap()).collect()
}

#[test]
fn a_url_routes_as_the_other_client_does() {
    let servers = ["cache-1:11211", "cache-2:11212", "cache-3:11211"];
    let tags = KeyPart::Tag { open: b'{', close: b'}' };
    for (options, scheme) in [
        ("scheme=ketama", Scheme::ketama()),
        ("scheme=dalli", Scheme::dalli()),
        ("scheme=ketama&hash_sort_hosts=on", Scheme::ketama().sort_hosts()),
        (
            "hash_part=tag:{}&scheme=twemproxy_ketama_md5",
            "twemproxy_ketama_md5".parse::<Scheme>().unwrap().hashed_part(tags),
        ),
        (
            "scheme=pymemcache_rendezvous&hash_skips_prefix=user:",
            Scheme::pymemcache_rendezvous().prefix_skipped("user:"),
        ),
    ] {
        let client =
            Client::builder().url(&format!("memcache://{}?{options}", servers.join(","))).unwrap().build().unwrap();
        assert_eq!(places_of(&client), places(&scheme, &servers), "{options}");
        // A server more, as the other client would have it after a change of its configuration.
        client.cluster().add(Server::tcp("cache-4").unwrap()).unwrap();
        let four = [&servers[..], &["cache-4:11211"]].concat();
        assert_eq!(places_of(&client), places(&scheme, &four), "{options}");
    }
}

#[test]
fn what_a_scheme_cannot_do_is_refused_and_changes_nothing() {
    let client = Client::builder().url("memcache://a,b?scheme=folsom_ketama").unwrap().build().unwrap();
    let before = places_of(&client);
    let refused = client.cluster().reweight("a:11211", 2).map(|_| ()).unwrap_err();
    assert!(matches!(&refused, ConfigError::Routing(text) if text.contains("a:11211 has a weight")), "{refused}");
    let refused = client.cluster().add(Server::unix("/run/cache.sock")).map(|_| ()).unwrap_err();
    assert!(refused.to_string().contains("give host and port"), "{refused}");
    assert_eq!(places_of(&client), before);
    let refused =
        Client::builder().url("memcache://a,b?scheme=evcache_ketama").unwrap().build().map(|_| ()).unwrap_err();
    assert!(refused.to_string().contains("cache-1/10.0.0.1"), "{refused}");
}

/// Of several sources the one is named whose servers cannot be used, not the one that has answered last.
#[tokio::test]
async fn the_source_that_a_scheme_cannot_use_is_named() {
    let [one, other] = servers().await;
    let (bad, good, events) = (Told::silent("the bad one"), Told::silent("the good one"), Events::default());
    let builder = events.builder().scheme(Scheme::ketama()).discover(bad.clone()).discover(good.clone());
    let client = builder.build().unwrap();
    let asked = tokio::spawn(client.get("key").into_future());
    bad.say(vec![Server::unix("/run/cache.sock")]);
    until("the bad one is asked again", || bad.asked() >= 2).await;
    good.say(list(&[&one]));
    until("it is told", || events.have("give host and port")).await;
    assert!(events.have("the bad one: no new list") && !events.have("the good one: no new list"));
    assert!(asked.await.unwrap().is_err());
    bad.say(list(&[&other]));
    until("both are found", || client.cluster().servers().len() == 2).await;
    assert_eq!(client.get("key").await.show(), "none");
}

#[tokio::test]
async fn a_scheme_follows_what_is_found() {
    let [one, other] = servers().await;
    let (source, events) = (Told::of(list(&[&one])), Events::default());
    let client = events.builder().scheme(Scheme::ketama()).discover(source.clone()).connect().await.unwrap();
    source.say(list(&[&one, &other]));
    until("the other is found", || client.cluster().servers().len() == 2).await;
    let (first, second) = (one.address(), other.address());
    assert_eq!(places_of(&client), places(&Scheme::ketama(), &[&first, &second]));
    let unknown = list(&[&one, &other]).into_iter().map(|server| server.weight(u32::MAX)).collect::<Vec<_>>();
    source.say([unknown, vec![Server::unix("/run/cache.sock")]].concat());
    until("it is told", || events.have("give host and port")).await;
    assert_eq!(client.cluster().servers().len(), 2);
    assert_eq!(client.get("key").await.show(), "none");
}
