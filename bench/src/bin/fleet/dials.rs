//! How often a server that is away for half a minute is dialled.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use memlink::{Client, LinkState, Server, Settings};
use tokio::time::sleep;

use crate::load::Load;
use crate::outage::wait_for;
use crate::server::Memcached;

pub async fn run() {
    println!("\ndials: a server that is away for 30 s, under 2,000 requests a second");
    for connections in [1, 32] {
        let mut server = Memcached::start();
        let dials = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&dials);
        let settings = Settings::default().connections_per_server(connections).before_dial(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            async { Ok(()) }
        });
        let address = Server::tcp(&server.address()).expect("an address");
        let client = Client::builder().server(address).settings(settings).connect().await.expect("a server");
        let load = Load::start(&client, 2_000, 40);
        sleep(Duration::from_secs(1)).await;
        let before = dials.load(Ordering::SeqCst);
        server.kill();
        sleep(Duration::from_secs(30)).await;
        let dialled = dials.load(Ordering::SeqCst) - before;
        server.revive();
        let begun = std::time::Instant::now();
        wait_for(&client, 0, LinkState::Open).await;
        let back = begun.elapsed().as_millis();
        load.end().await;
        println!("  {connections:>2} connections: {before} dials to open, {dialled} while away, used again after {back} ms");
    }
}
