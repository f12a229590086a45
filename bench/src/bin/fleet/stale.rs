//! Servers are killed and frozen while versions are written: afterwards every key is looked for on every server.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use memlink::{Client, LinkState, Server, Settings};
use tokio::time::sleep;

use crate::outage::wait_for;
use crate::server::Memcached;

const KEYS: usize = 300;

pub async fn run(is_quick: bool) {
    let outages = if is_quick { 20 } else { 200 };
    let mut servers: Vec<_> = (0..3).map(|_| Memcached::start()).collect();
    let addresses: Vec<_> = servers.iter().map(Memcached::address).collect();
    let configured = || addresses.iter().map(|address| Server::tcp(address).expect("an address"));
    // A frozen server is found out soon; what it costs is no part of this scene.
    let settings = Settings::default()
        .timeout(Duration::from_millis(100))
        .suspend_after(2, Duration::from_millis(50))
        .backoff(Duration::from_millis(5), Duration::from_millis(50));
    let client = Client::builder().servers(configured()).settings(settings).connect().await.expect("servers");
    let mut direct = Vec::new();
    for server in configured() {
        direct.push(Client::builder().server(server).connect().await.expect("a server"));
    }
    let keys: Vec<String> = (0..KEYS).map(|n| format!("key-{n}")).collect();
    let mut acknowledged = HashMap::<&str, u64>::new();
    let (mut version, mut checks, mut foreign, mut stale, mut writes, mut failed) = (0_u64, 0, 0, 0, 0_u64, 0_u64);
    let begun = Instant::now();
    for outage in 0..outages {
        let victim = outage % 3;
        let is_killed = outage % 2 == 0;
        if is_killed { servers[victim].kill() } else { servers[victim].freeze() }
        let ends = Instant::now() + Duration::from_millis(150);
        while Instant::now() < ends {
            version += 1;
            for key in keys.iter().skip(version as usize % 7).step_by(7) {
                writes += 1;
                match client.set(key, version.to_string()).await {
                    Ok(()) => _ = acknowledged.insert(key, version),
                    Err(_) => failed += 1,
                }
            }
        }
        if is_killed { servers[victim].revive() } else { servers[victim].thaw() }
        wait_for(&client, victim, LinkState::Open).await;
        for one in &direct {
            while one.get("k").await.is_err() {
                sleep(Duration::from_millis(5)).await;
            }
        }
        for key in &keys {
            let owner = client.server_of(key).expect("a key");
            for (address, one) in addresses.iter().zip(&direct) {
                let got = one.get(key).await.expect("it is there again");
                checks += 1;
                let Some(got) = got else { continue };
                foreign += u64::from(*address != owner);
                let version: u64 = got.to_str().ok().and_then(|text| text.parse().ok()).expect("a version");
                // One that is lost with its server is a miss; an older one that is found was written behind a newer one.
                stale += u64::from(version < acknowledged.get(key.as_str()).copied().unwrap_or(0));
            }
        }
    }
    println!("\nstale: {outages} outages, every second one a freeze, {:.0} s", begun.elapsed().as_secs_f64());
    println!("  versions written                       {writes}, of which {failed} failed");
    println!("  look-ups of a key at a server          {checks}");
    println!("  keys at a server that is not theirs    {foreign}");
    println!("  versions older than acknowledged ones  {stale}");
}
