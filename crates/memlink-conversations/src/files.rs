use crate::{Conversation, parse};

/// The files of the table, in the order of the protocol's description.
const FILES: &[(&str, &str)] = &[
    ("mg.txt", include_str!("../data/mg.txt")),
    ("ms.txt", include_str!("../data/ms.txt")),
    ("cas.txt", include_str!("../data/cas.txt")),
    ("md.txt", include_str!("../data/md.txt")),
    ("ma.txt", include_str!("../data/ma.txt")),
    ("lease.txt", include_str!("../data/lease.txt")),
    ("quiet.txt", include_str!("../data/quiet.txt")),
    ("keys.txt", include_str!("../data/keys.txt")),
    ("errors.txt", include_str!("../data/errors.txt")),
    ("numbers.txt", include_str!("../data/numbers.txt")),
    ("limits.txt", include_str!("../data/limits.txt")),
    ("classic.txt", include_str!("../data/classic.txt")),
    ("admin.txt", include_str!("../data/admin.txt")),
    ("time.txt", include_str!("../data/time.txt")),
    ("elsewhere.txt", include_str!("../data/elsewhere.txt")),
];

/// The whole table.
///
/// # Errors
///
/// What is wrong with the text, and where.
pub fn all() -> Result<Vec<Conversation>, String> {
    let mut all = Vec::new();
    for (name, text) in FILES {
        all.extend(parse(name, text)?);
    }
    Ok(all)
}
