use std::collections::BTreeMap;

/// What the placeholders of one conversation stand for in one run of it.
#[derive(Debug, Clone, Default)]
pub struct Scene {
    /// Numbers that a reply has named (`<cas>`), by name.
    numbers: BTreeMap<String, u64>,
    /// The server's clock in Unix time, for `<now+60>`.
    pub now: u64,
    /// The server's version as it says it, for `<version>`.
    pub version: String,
}

impl Scene {
    /// Nothing is named yet.
    #[must_use]
    pub fn new(now: u64, version: &str) -> Scene {
        Scene { numbers: BTreeMap::new(), now, version: version.to_owned() }
    }

    /// The number of this name, if a reply has named it.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        self.numbers.get(name).copied()
    }

    /// Gives a number a name. False if the name stands for another number already.
    pub fn bind(&mut self, name: &str, number: u64) -> bool {
        *self.numbers.entry(name.to_owned()).or_insert(number) == number
    }

    /// The number of this name; where no server names one, the table's reader does: 1000, 2000 and so on.
    pub fn number_or_invented(&mut self, name: &str) -> u64 {
        let next = 1000 * (self.numbers.len() as u64 + 1);
        *self.numbers.entry(name.to_owned()).or_insert(next)
    }
}
