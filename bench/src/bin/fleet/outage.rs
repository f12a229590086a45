//! One of three servers is killed under load, again and again.

use std::time::{Duration, Instant};

use memlink::{Client, LinkState, Server, Settings};
use tokio::time::sleep;

use crate::load::Load;
use crate::median;
use crate::server::Memcached;

const A_SECOND: u64 = 20_000;

pub async fn run(is_quick: bool) {
    let rounds = if is_quick { 2 } else { 7 };
    let mut servers: Vec<_> = (0..3).map(|_| Memcached::start()).collect();
    let addresses: Vec<_> = servers.iter().map(Memcached::address).collect();
    let configured = addresses.iter().map(|address| Server::tcp(address).expect("an address"));
    let client = Client::builder().servers(configured).settings(Settings::default()).connect().await.expect("servers");
    let load = Load::start(&client, A_SECOND, 20);
    sleep(Duration::from_secs(1)).await;
    let (mut before, mut during, mut refusals, mut back) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut foreign_errors, mut late, mut refused) = (0, 0, 0);
    for round in 0..rounds {
        let victim = round % 3;
        load.take();
        sleep(Duration::from_secs(1)).await;
        before.push(p99_of_others(&load.take(), &addresses[victim], &mut foreign_errors));
        servers[victim].kill();
        // Until it is known: what was in flight is lost, and the dial that follows is refused.
        wait_for(&client, victim, LinkState::Down).await;
        late += load.take().get(&addresses[victim]).map_or(0, |seen| seen.bad.len());
        sleep(Duration::from_secs(1)).await;
        let seen = load.take();
        during.push(p99_of_others(&seen, &addresses[victim], &mut foreign_errors));
        if let Some(dead) = seen.get(&addresses[victim]) {
            refused += dead.bad.len();
            refusals.push(dead.bad.value_at_quantile(0.99) as f64);
        }
        servers[victim].revive();
        let begun = Instant::now();
        wait_for(&client, victim, LinkState::Open).await;
        back.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    load.end().await;
    let worst_back = back.iter().copied().fold(0.0, f64::max);
    println!("\noutage: one of three servers killed {rounds} times under {A_SECOND} requests a second");
    println!("  errors of other servers' keys          {foreign_errors}");
    println!("  errors before it was known             {late}");
    println!("  refused at once afterwards             {refused}, p99 {:.0} us (median of windows)", median(refusals));
    println!("  p99 of the others before, during       {:.0} us, {:.0} us", median(before), median(during));
    println!("  used again after the restart           {:.0} ms, at worst {worst_back:.0} ms", median(back));
}

fn p99_of_others(
    seen: &std::collections::HashMap<String, crate::load::Seen>,
    victim: &str,
    foreign_errors: &mut u64,
) -> f64 {
    let others = seen.iter().filter(|(server, _)| *server != victim);
    let mut worst = 0;
    for (_, one) in others {
        *foreign_errors += one.bad.len();
        worst = worst.max(one.good.value_at_quantile(0.99));
    }
    worst as f64
}

pub async fn wait_for(client: &Client, server: usize, state: LinkState) {
    let mut watch = client.cluster().topology().watch_state(server);
    let is_there = |now: &LinkState| *now == state;
    let found = tokio::time::timeout(Duration::from_secs(20), watch.wait_for(is_there)).await;
    assert!(found.is_ok(), "server {server} is not {state:?} within 20 s");
}
