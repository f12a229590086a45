//! Servers get other addresses, come and go, under load; and nothing is left of those that went.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use memlink::{Client, Event, Resolve, ResolveFuture, Server, Settings};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::load::Load;
use crate::server::Memcached;

/// Between two changes of address: each of three servers has served for more than a second when it moves again. One that is lost
/// sooner counts as one that flaps, whatever its address.
const PAUSE: Duration = Duration::from_millis(450);

const HOSTS: [Ipv4Addr; 2] = [Ipv4Addr::new(127, 0, 0, 1), Ipv4Addr::new(127, 0, 0, 2)];

/// Which address each name has.
#[derive(Clone, Default)]
struct Names(Arc<Mutex<HashMap<String, IpAddr>>>);

impl Resolve for Names {
    fn resolve(&self, host: &str) -> ResolveFuture {
        let found = self.0.lock().expect("nobody panics").get(host).copied();
        Box::pin(async move { Ok(found.into_iter().collect()) })
    }
}

impl Names {
    fn set(&self, name: &str, host: Ipv4Addr) {
        self.0.lock().expect("nobody panics").insert(name.to_owned(), host.into());
    }
}

pub async fn run(is_quick: bool) {
    let (moves, changes) = if is_quick { (10, 10) } else { (100, 50) };
    let (names, opened) = (Names::default(), Arc::new(AtomicU64::new(0)));
    let before = (open_files(), Handle::current().metrics().num_alive_tasks());
    // Every server has two places at the same port, and runs at one of them.
    let mut servers: Vec<[Memcached; 2]> = (0..4).map(|_| Memcached::start_twice(HOSTS)).collect();
    let all: Vec<(String, u16)> = servers.iter().zip(["a", "b", "c", "d"]).map(|(places, name)| (name.to_owned(), places[0].port())).collect();
    all.iter().for_each(|(name, _)| names.set(name, HOSTS[0]));
    let server = |(name, port): &(String, u16)| Server::tcp(&format!("{name}:{port}")).expect("an address");
    let counted = Arc::clone(&opened);
    let settings = Settings::default().resolver(names.clone()).on_event(move |event| {
        counted.fetch_add(u64::from(matches!(event, Event::Opened { .. })), Ordering::SeqCst);
    });
    let client = Client::builder().servers(all[..3].iter().map(server)).settings(settings).connect().await;
    let client = client.expect("servers");
    let owners = owners(&client);
    let load = Load::start(&client, 5_000, 10);
    sleep(PAUSE * 3).await;
    let mut worst = Duration::ZERO;
    for number in 0..moves {
        let (moving, from) = (number % 3, number / 3 % 2);
        names.set(&all[moving].0, HOSTS[1 - from]);
        let at = opened.load(Ordering::SeqCst);
        servers[moving][from].kill();
        worst = worst.max(until_more(&opened, at).await);
        servers[moving][from].revive();
        sleep(PAUSE).await;
    }
    let moved = self::owners(&client).iter().zip(&owners).filter(|(now, then)| now != then).count();
    let seen = load.take();
    let lost: u64 = seen.values().map(|seen| seen.bad.len()).sum();
    let refused: u64 = lost - seen.values().map(|seen| seen.other_errors).sum::<u64>();
    let (started, other_errors) = (load.started.load(Ordering::SeqCst), lost - refused);
    println!("\nmoves: {moves} changes of address, {changes} changes of servers, under 5,000 requests a second");
    println!("  in flight at a server that went        {other_errors} of {started}");
    println!("  refused, because it counted as down    {refused}");
    println!("  on the new address after               {:.0} ms at worst", worst.as_secs_f64() * 1e3);
    println!("  keys that changed hands by it          {moved}");

    let cluster = client.cluster();
    for change in 0..changes {
        let (come, go) = (server(&all[(change + 3) % 4]), server(&all[change % 4]));
        let at = opened.load(Ordering::SeqCst);
        // Some milliseconds of work, which are not the runtime's.
        let adds = cluster.clone();
        spawn_blocking(move || adds.add(come).map(drop)).await.expect("no panic").expect("it was not there");
        until_more(&opened, at).await;
        let (removes, name) = (cluster.clone(), go.name().to_owned());
        let removed = spawn_blocking(move || removes.remove(&name, Duration::from_secs(1))).await.expect("no panic");
        removed.expect("it was there").drained().await;
    }
    let failed: u64 = load.end().await.values().map(|seen| seen.bad.len()).sum();
    println!("  failed by changes of servers           {failed}");
    client.close(Duration::from_secs(1)).await;
    drop(client);
    drop(servers);
    // The last of them end behind us.
    let ends = Instant::now() + Duration::from_secs(5);
    let left = || (open_files(), Handle::current().metrics().num_alive_tasks());
    while left() != before && Instant::now() < ends {
        sleep(Duration::from_millis(5)).await;
    }
    println!("  descriptors and tasks before, after    {before:?}, {:?}", left());
}

/// Waits until a connection more has opened, and says how long that took.
async fn until_more(opened: &AtomicU64, at: u64) -> Duration {
    let begun = Instant::now();
    while opened.load(Ordering::SeqCst) == at {
        sleep(Duration::from_millis(1)).await;
    }
    begun.elapsed()
}

/// Whose each of some keys is.
fn owners(client: &Client) -> Vec<String> {
    (0..1_000).map(|n| client.server_of(format!("key-{n}")).expect("a key")).collect()
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}
