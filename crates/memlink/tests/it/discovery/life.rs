//! When the search begins and ends.

use std::time::Duration;

use memlink::Client;
use memlink::discovery::Sources;
use memlink::generic::Cluster;

use super::told::{Events, Told, list, servers};
use crate::show::Show as _;
use crate::wait::{until, until_async};

const GRACE: Duration = Duration::from_secs(10);

fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

#[tokio::test]
async fn the_search_ends_with_the_last_clone() {
    let ([server], events) = (servers().await, Events::default());
    let source = Told::of(list(&[&server]));
    let client = events.builder().discover(source.clone()).connect().await.unwrap();
    let clone = client.clone();
    drop(client);
    assert_eq!(clone.get("key").await.show(), "none");
    drop(clone);
    until("its tasks have ended", || tasks() == 0).await;
    assert_eq!(source.holders(), 0);
    // Also when nobody ever answered, and when nobody ever asked.
    let silent = Told::silent("silent");
    let client = Client::builder().discover(silent.clone()).build().unwrap();
    let get = tokio::spawn(client.get("key").into_future());
    until("it is asked", || silent.asked() == 1).await;
    get.abort();
    drop(client);
    until("its tasks have ended", || tasks() == 0).await;
    assert_eq!(silent.holders(), 0);
    drop(Client::builder().discover(silent.clone()).build().unwrap());
    assert_eq!(silent.holders(), 0);
}

#[tokio::test]
async fn close_ends_the_search_and_those_who_wait_for_it() {
    let ([server], events) = (servers().await, Events::default());
    let (source, silent) = (Told::of(list(&[&server])), Told::silent("silent"));
    let client = events.builder().discover(source.clone()).connect().await.unwrap();
    client.close(GRACE).await;
    let waiting = events.builder().discover(silent.clone()).build().unwrap();
    let get = tokio::spawn(waiting.get("key").into_future());
    until("it is asked", || silent.asked() == 1).await;
    waiting.close(GRACE).await;
    assert_eq!(get.await.unwrap().show(), "Closed NotSent");
    assert_eq!(waiting.noop().await[0].reply.show(), "Closed NotSent");
    assert_eq!(client.get("key").await.show(), "Closed NotSent");
    until("all tasks have ended", || tasks() == 0).await;
    drop((client, waiting));
    assert_eq!((source.holders(), silent.holders()), (0, 0));
}

/// As a static client has it: its runtime ends, and another one uses it.
#[test]
fn the_search_goes_on_in_another_runtime() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let threads = runtime();
    let [one, other] = threads.block_on(servers());
    let (source, events) = (Told::of(list(&[&one])), Events::default());
    let client = events.builder().discover(source.clone()).build().unwrap();
    runtime().block_on(async { client.set("key", "value").await }).unwrap();
    source.say(list(&[&one, &other]));
    assert_eq!(client.cluster().servers(), [one.address()], "nobody looks");
    runtime().block_on(async {
        until_async("the client works here", async || client.get("key").await.is_ok()).await;
        until("and follows", || client.cluster().servers().len() == 2).await;
    });
}

/// For a protocol of one's own there is the same.
#[tokio::test]
async fn a_cluster_of_any_protocol_finds_its_servers() {
    let [server] = servers().await;
    let source = Told::of(list(&[&server]));
    let sources = Sources::new().source(source.clone()).interval(Duration::ZERO);
    let cluster: Cluster<nothing::Nothing> = sources.cluster(nothing::Nothing, crate::memcached::patient()).unwrap();
    let opened = cluster.open().await;
    assert!(opened.len() == 1 && opened[0].is_ok(), "{opened:?}");
    assert_eq!(cluster.servers(), [server.address()]);
    drop(cluster);
    until("its tasks have ended", || tasks() == 0).await;
    let none = Sources::new().cluster(nothing::Nothing, crate::memcached::patient()).map(|_| ());
    assert_eq!(none.unwrap_err(), memlink::ConfigError::NoServer);
}

/// The smallest protocol: open at once, and nothing is ever answered.
mod nothing {
    use memlink::generic::{Ask, Encoder, Frame, Protocol, Refusal, Step, Verdict};
    use memlink::{Broken, Limits};

    pub(super) struct Nothing;

    impl Protocol for Nothing {
        type Expect = ();
        type State = ();
        type Peer = ();

        fn open(&self, (): &mut (), _: Option<&Frame>, _: &mut Encoder<'_>) -> Result<Step<(), ()>, Refusal> {
            Ok(Step::Ready(()))
        }

        fn frame(&self, (): &mut (), _: Option<Ask<'_, ()>>, _: &[u8], _: &Limits) -> Verdict {
            Verdict::Broken(Broken::Unsolicited)
        }
    }
}
