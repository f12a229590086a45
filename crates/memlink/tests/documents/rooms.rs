//! Who may use whom, inside `memlink`: the picture of ARCHITECTURE.md, executed.

use std::path::Path;

use crate::root;

/// The rooms, from below. A room may use those that stand before it. Those of the last row are one storey: they may use each other.
const STOREYS: &[&[&str]] = &[
    &["sync"],
    &["policy"],
    &["event"],
    &["log"],
    &["transport"],
    &["link"],
    &["config"],
    &["error"],
    &["pool"],
    &["cluster"],
    &["discovery"],
    &["builder", "client", "fan_out", "lease", "probe", "request", "scheduled", "servers", "stats", "value", "verbs"],
];

/// Names that the crate's root gives to what lies in the topmost storey.
const TOP_NAMES: &[&str] = &["Builder", "Client", "ClientStats", "Request", "ServerStats", "Value"];

/// Rooms that may name memcached although others below the client use them: an option and an error are words of both.
const KNOW_MEMCACHED: &[&str] = &["config", "error"];

fn storey(room: &str) -> Option<usize> {
    STOREYS.iter().position(|rooms| rooms.contains(&room))
}

/// Every line of code, without comments, of every file, with the room it stands in.
fn code() -> Vec<(String, String)> {
    let source = root().join("crates/memlink/src");
    let (mut folders, mut lines) = (vec![source.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the folder is there") {
            let path = entry.expect("it can be read").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let inside = path.strip_prefix(&source).expect("it lies in there").with_extension("");
            let room = inside.iter().next().map(Path::new).expect("a name").display().to_string();
            let text = std::fs::read_to_string(&path).expect("it is text");
            let code = text.lines().filter(|line| room != "lib" && !line.trim_start().starts_with("//"));
            lines.extend(code.map(|line| (room.clone(), line.to_owned())));
        }
    }
    lines
}

/// What stands behind each `crate::` of a line: a room, or a name of the crate's root. Of braces, all that is in them.
fn used(line: &str) -> Vec<&str> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let behind = line.split("crate::").skip(1);
    behind
        .flat_map(|rest| match rest.strip_prefix('{') {
            Some(inside) => inside.split('}').next().unwrap_or_default().split(", ").collect(),
            None => vec![rest],
        })
        .filter_map(|rest| rest.split(|c| !is_name(c)).next())
        .collect()
}

#[test]
fn arrows_between_rooms_go_down_only() {
    let (top, mut arrows) = (STOREYS.len() - 1, 0);
    for (room, line) in code() {
        let here = storey(&room).ok_or_else(|| format!("{room} has no storey")).expect("every room has one");
        for name in used(&line).into_iter().filter(|name| *name != room) {
            let there = if TOP_NAMES.contains(&name) { Some(top) } else { storey(name) };
            let there = there.ok_or_else(|| format!("{room}: which room is {name}?")).expect("every name is known");
            assert!(there < here || (there == top && here == top), "{room} uses {name}, which is not below it: {line}");
            arrows += 1;
        }
    }
    assert!(arrows > 40, "{arrows} arrows");
}

#[test]
fn below_the_client_nothing_names_memcached() {
    for (room, line) in code() {
        let knows = storey(&room) == Some(STOREYS.len() - 1) || KNOW_MEMCACHED.contains(&room.as_str());
        assert!(knows || !line.contains("memlink_meta"), "{room}: {line}");
    }
}
