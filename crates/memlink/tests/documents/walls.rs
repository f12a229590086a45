//! Who may use whom, between crates; and what is kept out of them.

use crate::{read, root};

/// The crates of this repository that a crate's code may use. Those that are not listed here stand above `memlink`.
const WALLS: &[(&str, &[&str])] = &[
    ("memlink-core", &[]),
    ("memlink-meta", &["memlink-core"]),
    ("memlink-ring", &[]),
    ("memlink-testserver", &[]),
    ("memlink-processes", &[]),
    ("memlink", &["memlink-core", "memlink-meta", "memlink-ring"]),
    ("memlink-resp", &["memlink"]),
];

/// The names of memlink's crates in one section of a crate's manifest, `[dependencies]` for one.
fn used(name: &str, section: &str) -> Vec<String> {
    let manifest = read(&format!("crates/{name}/Cargo.toml"));
    let lines = manifest.lines().skip_while(|line| *line != section).skip(1).take_while(|line| !line.starts_with('['));
    let names = lines.filter_map(|line| line.split(['.', '=', ' ']).next());
    names.filter(|name| name.starts_with("memlink")).map(str::to_owned).collect()
}

#[test]
fn arrows_between_crates_go_down_only() {
    for (name, allowed) in WALLS {
        let used = used(name, "[dependencies]");
        assert!(used.iter().all(|other| allowed.contains(&other.as_str())), "{name} uses {used:?}");
    }
    assert_eq!(used("memlink", "[dependencies]").len(), 3, "the manifest is read as it is written");
}

#[test]
fn the_test_server_shares_no_code_with_the_client() {
    let name = "memlink-testserver";
    for section in ["[dependencies]", "[build-dependencies]"] {
        assert_eq!(used(name, section), [] as [String; 0], "{section}");
    }
    let mut folders = vec![root().join("crates").join(name).join("src")];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the folder is there") {
            let path = entry.expect("it can be read").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("it is text");
            for word in ["memlink_core", "memlink_meta", "memlink_ring", "memlink::", "#[path", "include!"] {
                assert!(!text.contains(word), "{} has {word}", path.display());
            }
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen} files");
}

/// What memlink-resp needs and cannot reach is missing for everybody else, too.
#[test]
fn the_second_protocol_uses_public_names_alone() {
    assert_eq!(used("memlink-resp", "[dependencies]"), ["memlink"]);
    // Its tests start servers.
    assert_eq!(used("memlink-resp", "[dev-dependencies]"), ["memlink-processes"]);
}

#[test]
fn engine_and_protocol_have_no_std() {
    for name in ["memlink-core", "memlink-meta"] {
        let lib = read(&format!("crates/{name}/src/lib.rs"));
        assert!(lib.contains("no_std)]") && !lib.contains("extern crate std"), "{name}");
    }
    let banned = read("crates/memlink-core/clippy.toml");
    for path in ["std::time::Instant::now", "std::time::SystemTime::now", "std::thread::spawn", "std::sync::Mutex"] {
        assert!(banned.contains(path), "{path}");
    }
}

#[test]
fn no_lock_may_be_held_across_an_await_and_nothing_is_unsafe() {
    let manifest = read("Cargo.toml");
    assert!(manifest.contains("await_holding_lock = \"deny\""));
    for (name, _) in WALLS {
        assert!(read(&format!("crates/{name}/src/lib.rs")).contains("#![forbid(unsafe_code)]"), "{name}");
        assert!(read(&format!("crates/{name}/Cargo.toml")).contains("[lints]\nworkspace = true"), "{name}");
    }
}

/// The code map of ARCHITECTURE.md: a line with a folder, then lines with a file each.
#[test]
fn every_room_on_the_map_is_there() {
    let (map, mut folder, mut rooms) = (read("ARCHITECTURE.md"), String::new(), 0);
    for line in map.lines() {
        let Some(word) = line.split(' ').find(|word| !word.is_empty()) else { continue };
        if line.starts_with("crates/") {
            folder = word.to_owned();
        } else if line.starts_with("  ") && word.ends_with(".rs") {
            assert!(root().join(&folder).join(word).is_file(), "{folder}{word} is on the map and not there");
            rooms += 1;
        }
    }
    assert!(rooms > 50, "{rooms} rooms");
}
