use std::time::Duration;

use memlink::{Limits, Settings, TcpOptions};

use crate::read;

fn count(n: usize, unit: &str) -> String {
    match n {
        n if unit == "bytes" && n >= 1 << 20 => format!("{} MiB", n >> 20),
        n if unit == "bytes" && n >= 16 << 10 => format!("{} KiB", n >> 10),
        n => format!("{n} {unit}"),
    }
}

fn time(time: Duration) -> String {
    if time.subsec_millis() == 0 { format!("{} s", time.as_secs()) } else { format!("{} ms", time.as_millis()) }
}

/// What the tables have to say. A new limit does not compile here before it is listed.
fn limits() -> Vec<(&'static str, String)> {
    let Limits {
        in_flight_max,
        queued_bytes_max,
        waiting_max,
        line_len_max,
        value_len_max,
        abandoned_max,
        abandoned_age_max,
        stall_timeout,
        opening_timeout,
        opening_bytes_max,
        unclaimed_bytes_max,
        turn_replies_max,
        turn_bytes_max,
    } = Limits::default();
    vec![
        ("in_flight_max", count(in_flight_max, "commands")),
        ("queued_bytes_max", count(queued_bytes_max, "bytes")),
        ("waiting_max", count(waiting_max, "callers")),
        ("line_len_max", count(line_len_max, "bytes")),
        ("value_len_max", count(value_len_max, "bytes")),
        ("abandoned_max", count(abandoned_max, "commands")),
        ("abandoned_age_max", time(abandoned_age_max)),
        ("stall_timeout", time(stall_timeout)),
        ("opening_timeout", time(opening_timeout)),
        ("opening_bytes_max", count(opening_bytes_max, "bytes")),
        ("unclaimed_bytes_max", count(unclaimed_bytes_max, "bytes")),
        ("turn_replies_max", count(turn_replies_max, "replies")),
        ("turn_bytes_max", count(turn_bytes_max, "bytes")),
    ]
}

#[test]
fn every_default_is_the_one_in_the_code() {
    let table = read("docs/defaults.md");
    for (name, value) in limits() {
        assert!(table.contains(&format!("| `{name}` | {value} |")), "{name} is {value}");
    }
    let TcpOptions { nodelay, keepalive, user_timeout, send_buffer, receive_buffer, local_address } =
        TcpOptions::default();
    let is_systems = (user_timeout, send_buffer, receive_buffer, local_address) == (None, None, None, None);
    let systems = if is_systems { "the system's" } else { "others" };
    let mut tcp = vec![("`nodelay`", nodelay.to_string()), ("`keepalive`", keepalive.map_or("none".to_owned(), time))];
    tcp.extend(
        ["`user_timeout`", "`send_buffer`", "`receive_buffer`", "`local_address`"]
            .map(|name| (name, systems.to_owned())),
    );
    for (name, value) in tcp {
        assert!(table.contains(&format!("| {name} | {value} |")), "{name} is {value}");
    }
    // Settings are private; their `Debug` is what shows them.
    let shown = format!("{:?}", Settings::default());
    for (said, is) in [
        ("| `timeout` | 1 s |", "timeout: Some(1s)"),
        ("| `wait_when_full` | true |", "wait_when_full: true"),
        ("| `connections_per_server` | 1 |", "connections_per_server: 1"),
        ("| `dial_timeout` | 1 s |", "dial_timeout: 1s"),
        ("| `resolve_interval` | 30 s |", "resolve_interval: Some(30s)"),
        ("| `backoff` base | 50 ms |", "backoff: (50ms, "),
        ("| `backoff` cap | 3 s |", ", 3s)"),
    ] {
        assert!(table.contains(said) && shown.contains(is), "{said} and {is}: {shown}");
    }
}

/// Rows such as ``| `WINDOW` = `512` | `crates/memlink/src/fan_out.rs` | ... |``.
#[test]
fn every_fixed_number_is_the_one_in_the_code() {
    let table = read("docs/defaults.md");
    let mut rows = 0;
    for row in table.lines().filter(|line| line.contains("` = `")) {
        let mut words = row.split('`').skip(1).step_by(2);
        let (Some(name), Some(value), Some(path)) = (words.next(), words.next(), words.next()) else {
            panic!("not a row: {row}");
        };
        let declared = read(path).lines().any(|line| {
            let line = line
                .trim_start()
                .trim_start_matches("pub(crate) ")
                .trim_start_matches("pub(super) ")
                .trim_start_matches("pub ");
            line.starts_with(&format!("const {name}: ")) && line.ends_with(&format!(" = {value};"))
        });
        assert!(declared, "{path} does not say {name} = {value}");
        rows += 1;
    }
    assert!(rows >= 10, "{rows} rows");
}
