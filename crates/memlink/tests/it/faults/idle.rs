//! What happens while nothing is asked must cost the next request nothing.

use std::time::Duration;

use memlink_testserver::Fault;

use super::{Pair, told, value_of};

#[tokio::test(start_paused = true)]
async fn what_happened_while_idle_costs_no_request() {
    let idle = Duration::from_millis(100);
    for fault in [
        Fault::idle_close(idle),
        Fault::stray("EN\r\n", idle),
        Fault::stray("VA 1\r\nx\r\n", idle),
        Fault::stray("SERVER_ERROR shutting down\r\n", idle),
        Fault::stray("x", idle),
    ] {
        let pair = Pair::start().await;
        pair.client.set("k", value_of("k")).await.expect("a set");
        let fault = pair.server.faults().add(fault);
        let name = fault.fault().to_string();
        for round in 1..=200 {
            tokio::time::sleep(2 * idle).await;
            assert_eq!(told(pair.client.get("k").await, "k"), "right", "{name}, round {round}");
            assert!(fault.injected() >= round, "{name} struck {} times", fault.injected());
        }
        assert!(pair.opened() > 200, "{name}: {} connections", pair.opened());
        pair.is_well().await;
    }
}
