//! What is answered instead of the truth.

use super::{connect, say, server, talk};
use memlink_testserver::Fault;

/// Everything is in one write, so that the replies belong together.
const SCRIPT: &str = "ms k 2 Oa\r\nhi\r\nmg k v Ob\r\nmg none v Oc\r\nmn\r\n";
const TRUTH: &str = "HD Oa\r\nVA 2 Ob\r\nhi\r\nEN Oc\r\nMN\r\nFIN";

#[test]
fn without_a_fault_it_says_the_truth() {
    let (server, handle) = server(Fault::lose().verb("none"));
    assert_eq!(talk(&server, SCRIPT), TRUTH);
    assert_eq!(handle.injected(), 0);
}

#[test]
fn a_reply_is_not_what_it_should_be() {
    for (fault, expected) in [
        (Fault::instead("VA 9223372036854775807\r\n"), "HD Oa\r\nVA 9223372036854775807\r\nEN Oc\r\nMN\r\nFIN"),
        (Fault::wrong_length(3), "HD Oa\r\nVA 5 Ob\r\nhi\r\nEN Oc\r\nMN\r\nFIN"),
        (Fault::wrong_length(-1), "HD Oa\r\nVA 1 Ob\r\nhi\r\nEN Oc\r\nMN\r\nFIN"),
        (Fault::no_line_end(), "HD Oa\r\nVA 2 Ob\r\nhiEN Oc\r\nMN\r\nFIN"),
        (Fault::line_before("HD"), "HD Oa\r\nHD\r\nVA 2 Ob\r\nhi\r\nEN Oc\r\nMN\r\nFIN"),
        (Fault::line_after("HD"), "HD Oa\r\nVA 2 Ob\r\nhi\r\nHD\r\nEN Oc\r\nMN\r\nFIN"),
        (Fault::duplicate(), "HD Oa\r\nVA 2 Ob\r\nhi\r\nVA 2 Ob\r\nhi\r\nEN Oc\r\nMN\r\nFIN"),
        (Fault::swallow(), "HD Oa\r\nEN Oc\r\nMN\r\nFIN"),
        (Fault::swap(), "VA 2 Ob\r\nhi\r\nHD Oa\r\nEN Oc\r\nMN\r\nFIN"),
        (Fault::wrong_opaque(), "HD Oa\r\nVA 2 O0\r\nhi\r\nEN Oc\r\nMN\r\nFIN"),
        (Fault::lose(), "HD Oa\r\nEN Oc\r\nMN\r\nFIN"),
        (Fault::error_line("SERVER_ERROR no"), "HD Oa\r\nSERVER_ERROR no\r\nEN Oc\r\nMN\r\nFIN"),
    ] {
        let (server, handle) = server(fault.clone().verb("mg").once());
        assert_eq!(talk(&server, SCRIPT), expected, "{fault}");
        assert_eq!(handle.injected(), 1, "{fault}");
        assert_eq!(talk(&server, SCRIPT), TRUTH, "{fault}, once");
    }
}

#[test]
fn garbage_is_the_same_for_the_same_seed() {
    let garbled = |seed: u64| {
        let (server, handle) = server(Fault::garbage(8).verb("mg").once());
        server.faults().seed(seed);
        let said = talk(&server, SCRIPT);
        assert_eq!(handle.injected(), 1);
        said
    };
    let one = garbled(1);
    assert!(one.starts_with("HD Oa\r\n") && one.ends_with("\r\nEN Oc\r\nMN\r\nFIN"), "{one:?}");
    assert!(!one.contains("VA 2"), "{one:?}");
    assert_eq!(garbled(1), one);
    assert_ne!(garbled(2), one);
}

/// A value whose command is lost or refused is not taken for commands.
#[test]
fn lost_and_refused_commands_take_their_values_along() {
    for (fault, answer) in
        [(Fault::lose(), ""), (Fault::error_line("SERVER_ERROR out of memory"), "SERVER_ERROR out of memory\r\n")]
    {
        let (server, handle) = server(fault.key_prefix("bad"));
        let script = "ms bad:1 4\r\nmn\r\n\r\nset bad:2 0 0 4\r\nmn\r\n\r\nmg bad:1\r\nms good 1\r\nx\r\nget good\r\n";
        let answers = answer.repeat(3);
        assert_eq!(talk(&server, script), format!("{answers}HD\r\nVALUE good 0 1\r\nx\r\nEND\r\nFIN"));
        assert_eq!(handle.injected(), 3);
        let executed: Vec<_> = server.executed().iter().map(|command| command.line.clone()).collect();
        assert_eq!(executed, ["ms good 1", "get good", "quit"], "what is lost does not run");
    }
}

#[test]
fn noreply_is_not_answered_even_by_errors() {
    let (server, handle) = server(Fault::error_line("SERVER_ERROR no"));
    assert_eq!(talk(&server, "set k 0 0 1 noreply\r\nv\r\nget k\r\n"), "SERVER_ERROR no\r\nFIN");
    assert_eq!(handle.injected(), 1);
    assert_eq!(server.stats().items, 1);
}

/// A reply that has left cannot change places any more, and one that is alone neither.
#[test]
fn only_replies_that_wait_are_swapped() {
    let (server, handle) = server(Fault::swap());
    let mut client = connect(&server);
    assert_eq!(say(&mut client, "mg a\r\n", 4), "EN\r\n");
    assert_eq!(say(&mut client, "mn\r\n", 4), "MN\r\n");
    assert_eq!(handle.injected(), 0);
    assert_eq!(say(&mut client, "mg a\r\nmn\r\n", 8), "MN\r\nEN\r\n");
    assert_eq!(handle.injected(), 1);
}

#[test]
fn the_first_of_several_decides() {
    let (server, first) = server(Fault::swallow().verb("mg").every(2));
    let second = server.faults().add(Fault::duplicate().verb("mg"));
    assert_eq!(talk(&server, "mg a\r\nmg b\r\nmg c\r\nmn\r\n"), "EN\r\nEN\r\nEN\r\nEN\r\nMN\r\nFIN");
    assert_eq!((first.injected(), second.injected(), server.faults().injected()), (1, 2, 3));
    first.remove();
    assert_eq!(talk(&server, "mg a\r\nmn\r\n"), "EN\r\nEN\r\nMN\r\nFIN");
    server.faults().clear();
    assert_eq!(talk(&server, "mg a\r\nmn\r\n"), "EN\r\nMN\r\nFIN");
    assert_eq!(server.faults().injected(), 4, "what is removed is still counted");
}

/// Values that come in pieces, and answers that leave in pieces.
#[test]
fn large_things_are_struck_like_small_ones() {
    let (server, handle) = server(Fault::line_before("X").verb("ms"));
    let value = "v".repeat(900_000);
    assert_eq!(talk(&server, &format!("ms k 900000\r\n{value}\r\n")), "X\r\nHD\r\nFIN");
    let all = talk(&server, "get k k k\r\nmn\r\n");
    assert_eq!(all.len(), 3 * ("VALUE k 0 900000\r\n".len() + 900_002) + "END\r\nMN\r\nFIN".len());
    assert!(all.ends_with("END\r\nMN\r\nFIN"));
    assert_eq!(handle.injected(), 1);
}
