//! One command among others is struck, in each way that there is.

use std::time::Duration;

use memlink_testserver::Fault;

use super::{Pair, told, value_of};

/// What is expected of a command that is struck, of those before and behind it on the connection, and of the connection.
struct Cell {
    fault: Fault,
    before: &'static str,
    victim: &'static str,
    behind: &'static str,
    stays: bool,
}

/// Longer than a connection is allowed to be silent.
const SILENCE: Duration = Duration::from_secs(4);

const RIGHT: &str = "right";
const LOST: &str = "ConnectionLost Unknown";
const LATE: &str = "Deadline Unknown";
const ANSWERED: &str = "Server Answered";

fn stays(fault: Fault, victim: &'static str) -> Cell {
    Cell { fault, before: RIGHT, victim, behind: RIGHT, stays: true }
}

/// The connection is replaced, and with it goes what was owed behind the victim.
fn replaced(fault: Fault, victim: &'static str) -> Cell {
    Cell { fault, before: RIGHT, victim, behind: LOST, stays: false }
}

/// Nothing comes any more: whoever waits is told when its time is over, and the silence ends the connection.
fn silent(fault: Fault) -> Cell {
    Cell { fault, before: RIGHT, victim: LATE, behind: LATE, stays: false }
}

fn cells() -> Vec<Cell> {
    let ms = Duration::from_millis;
    let mut cells = vec![
        stays(Fault::delay(ms(100)), RIGHT),
        stays(Fault::delay_between(ms(1)..=ms(300)), RIGHT),
        stays(Fault::trickle(1, ms(1)), RIGHT),
        stays(Fault::coalesce(ms(50)), RIGHT),
        stays(Fault::throttle(10), RIGHT),
        stays(Fault::error_line("SERVER_ERROR out of memory storing object"), ANSWERED),
        stays(Fault::error_line("CLIENT_ERROR bad command line format"), ANSWERED),
        stays(Fault::error_line("ERROR"), ANSWERED),
        // The victim's own reply is right; what comes too much is met by the next.
        replaced(Fault::duplicate(), RIGHT),
        replaced(Fault::line_after("HD"), RIGHT),
        replaced(Fault::line_before("EN O0000"), LOST),
        replaced(Fault::line_before("HD"), LOST),
        // An error line carries no opaque: it is believed, and the reply behind it is one too many.
        replaced(Fault::line_before("SERVER_ERROR forged"), ANSWERED),
        // The next reply takes the place of the one that is missing, and is not that of the victim.
        replaced(Fault::lose(), LOST),
        replaced(Fault::swallow(), LOST),
        replaced(Fault::wrong_opaque(), LOST),
        replaced(Fault::wrong_length(1), LOST),
        replaced(Fault::wrong_length(-1), LOST),
        replaced(Fault::wrong_length(i64::MAX), LOST),
        replaced(Fault::no_line_end(), LOST),
        replaced(Fault::garbage(16), LOST),
        replaced(Fault::instead("XX\r\n"), LOST),
        replaced(Fault::instead("VA x\r\n"), LOST),
        replaced(Fault::instead("\r\n"), LOST),
        replaced(Fault::instead("VA 9223372036854775807\r\n"), LOST),
        replaced(Fault::instead(vec![b'x'; 5000]), LOST),
        // What was read before the server stopped to read is answered, and it was written.
        Cell { fault: Fault::stop_reading(), before: RIGHT, victim: RIGHT, behind: LATE, stays: false },
        // Two replies are at the wrong place, the first of them before the victim.
        Cell {
            fault: Fault::swap(),
            before: "right, right, ConnectionLost Unknown",
            victim: LOST,
            behind: LOST,
            stays: false,
        },
    ];
    // Before the reply, in its line, in its value, in the end of the value.
    for byte in [0, 1, 4, 20, 57] {
        cells.push(replaced(Fault::close().in_reply(byte), LOST));
        cells.push(replaced(Fault::reset().in_reply(byte), LOST));
        cells.push(replaced(Fault::half_close().in_reply(byte), LOST));
        cells.push(silent(Fault::freeze().in_reply(byte)));
    }
    cells
}

#[tokio::test(start_paused = true)]
async fn each_caller_is_told_what_has_become_of_its_command() {
    for cell in cells() {
        let pair = Pair::start().await;
        let keys = ["before-1", "before-2", "before-3", "victim", "behind-1", "behind-2", "behind-3"];
        for key in keys {
            pair.client.set(key, value_of(key)).await.expect("a set");
        }
        let fault = pair.server.faults().add(cell.fault.verb("mg").key_prefix("victim").once());
        let name = fault.fault().to_string();
        let gets = keys.map(|key| pair.client.get(key).into_future());
        let got: Vec<_> = futures_util::future::join_all(gets).await;
        let got: Vec<_> = got.into_iter().zip(keys).map(|(got, key)| told(got, key)).collect();
        assert_eq!(fault.injected(), 1, "{name}");
        let before = if cell.before == RIGHT { [RIGHT; 3].join(", ") } else { cell.before.to_owned() };
        assert_eq!(got[..3].join(", "), before, "before {name}");
        assert_eq!(got[3], cell.victim, "victim of {name}");
        assert_eq!(got[4..].join(", "), [cell.behind; 3].join(", "), "behind {name}");
        // Where it was silence, that has to last until the connection is given up.
        tokio::time::sleep(SILENCE).await;
        pair.is_well().await;
        assert_eq!(pair.opened(), if cell.stays { 1 } else { 2 }, "connections after {name}");
    }
}

/// Where nothing else is on its way, it is time that tells.
#[tokio::test(start_paused = true)]
async fn a_command_alone_is_told_as_well() {
    for (fault, victim, opened) in [
        (Fault::lose(), LATE, 2),
        (Fault::swallow(), LATE, 2),
        (Fault::freeze(), LATE, 2),
        (Fault::freeze().in_reply(20), LATE, 2),
        (Fault::no_line_end(), LATE, 2),
        (Fault::wrong_length(1), LATE, 2),
        (Fault::duplicate(), RIGHT, 2),
        (Fault::line_after("HD"), RIGHT, 2),
        (Fault::wrong_opaque(), LOST, 2),
        (Fault::wrong_length(-1), LOST, 2),
        (Fault::instead("VA 9223372036854775807\r\n"), LOST, 2),
        (Fault::error_line("SERVER_ERROR no"), ANSWERED, 1),
        // Slow is not silent: the connection stays, and the late reply is nobody's.
        (Fault::delay(Duration::from_millis(2500)), LATE, 1),
        (Fault::delay(Duration::from_secs(10)), LATE, 2),
    ] {
        let pair = Pair::start().await;
        pair.client.set("victim", value_of("victim")).await.expect("a set");
        let fault = pair.server.faults().add(fault.verb("mg").once());
        let name = fault.fault().to_string();
        assert_eq!(told(pair.client.get("victim").await, "victim"), victim, "{name}");
        assert_eq!(fault.injected(), 1, "{name}");
        // The silence lasts until the connection is given up, or the reply has come.
        tokio::time::sleep(SILENCE).await;
        pair.is_well().await;
        assert_eq!(pair.opened(), opened, "connections after {name}");
    }
}

/// After an error to a command with a value nobody knows what the server took for what.
#[tokio::test(start_paused = true)]
async fn stores_are_told_apart_from_other_commands() {
    for (fault, victim, behind, opened) in [
        (Fault::error_line("SERVER_ERROR out of memory storing object"), ANSWERED, RIGHT, 1),
        (Fault::error_line("CLIENT_ERROR bad data chunk"), ANSWERED, LOST, 2),
        (Fault::error_line("ERROR"), ANSWERED, LOST, 2),
        (Fault::lose(), LOST, LOST, 2),
        (Fault::swallow(), LOST, LOST, 2),
        (Fault::close(), LOST, LOST, 2),
        (Fault::duplicate(), "done", LOST, 2),
        (Fault::instead("EN\r\n"), LOST, LOST, 2),
        (Fault::instead("VA 1\r\n"), LOST, LOST, 2),
    ] {
        let pair = Pair::start().await;
        pair.client.set("behind", value_of("behind")).await.expect("a set");
        let fault = pair.server.faults().add(fault.verb("ms").key_prefix("victim").once());
        let name = fault.fault().to_string();
        // The first one is written by itself, so that the two behind it are written together.
        let (_, set, get) = tokio::join!(
            pair.client.get("none").into_future(),
            pair.client.set("victim", value_of("victim")).into_future(),
            pair.client.get("behind").into_future(),
        );
        assert_eq!(fault.injected(), 1, "{name}");
        assert_eq!(crate::show::Show::show(&set), victim, "{name}");
        assert_eq!(told(get, "behind"), behind, "behind {name}");
        pair.is_well().await;
        assert_eq!(pair.opened(), opened, "connections after {name}");
    }
}

/// A bulk tells of each key what is known of it, and never takes a failure for a miss.
#[tokio::test(start_paused = true)]
async fn of_many_keys_each_has_its_own_truth() {
    let keys: Vec<String> = (0..300).map(|n| format!("bulk-{n}")).collect();
    let all = [
        Fault::close().in_reply(100),
        Fault::close().in_stream(9_000),
        Fault::reset().in_stream(5_000),
        Fault::half_close().in_stream(9_000),
        Fault::freeze().in_stream(9_000),
        Fault::trickle(100, Duration::from_millis(1)),
        Fault::error_line("SERVER_ERROR out of memory writing get response"),
        Fault::lose(),
        Fault::swallow(),
        Fault::swap(),
        Fault::duplicate(),
        Fault::wrong_length(1),
        Fault::wrong_length(-1),
        Fault::no_line_end(),
        Fault::line_before("END"),
        Fault::line_after("END"),
        Fault::instead("VALUE other 0 1\r\nv\r\nEND\r\n"),
        Fault::garbage(40),
    ];
    for fault in all {
        let pair = Pair::start().await;
        for set in pair.client.set_many(keys.iter().map(|key| (key.clone(), value_of(key)))).await {
            set.expect("a set");
        }
        let fault = pair.server.faults().add(fault.once());
        let name = fault.fault().to_string();
        let got = pair.client.get_many(keys.iter()).await;
        assert_eq!(fault.injected(), 1, "{name}");
        for (got, key) in got.into_iter().zip(&keys) {
            let told = told(got, key);
            assert!([RIGHT, LOST, LATE, ANSWERED].contains(&told.as_str()), "{name}: {key} is {told}");
        }
        pair.is_well().await;
    }
}

/// There is nothing to tell a lie by that looks like the truth: a miss is what the server calls one.
#[tokio::test(start_paused = true)]
async fn what_the_server_calls_a_miss_is_one() {
    let pair = Pair::start().await;
    pair.client.set("k", value_of("k")).await.expect("a set");
    let fault = pair.server.faults().add(Fault::instead("END\r\n").verb("get").once());
    let got = pair.client.get_many(["k", "other"]).await;
    assert_eq!(got.into_iter().map(|got| told(got, "k")).collect::<Vec<_>>(), ["miss", "miss"]);
    assert_eq!(fault.injected(), 1);
    pair.is_well().await;
}
