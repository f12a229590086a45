use super::{DiscoveryError, SERVERS_MAX};
use crate::config::Server;

/// What all sources have said, and the one list that it comes to. Pure: answers go in, a list comes out.
pub(super) struct Answers {
    /// Servers that need not be found.
    fixed: Vec<Server>,
    /// The last good answer of each source.
    found: Vec<Option<Vec<Server>>>,
    /// Whose answer was taken last, and what that source had said before.
    last: Option<(usize, Option<Vec<Server>>)>,
}

impl Answers {
    pub(super) fn new(fixed: Vec<Server>, sources: usize) -> Answers {
        Answers { fixed, found: vec![None; sources], last: None }
    }

    /// Takes the answer of a source and gives the list, once all sources have answered: a part of the servers would be given keys that are
    /// others'. An answer that does not go with the others is forgotten.
    pub(super) fn take(&mut self, source: usize, servers: Vec<Server>) -> Result<Option<Vec<Server>>, DiscoveryError> {
        super::check_len(servers.len())?;
        let Some(slot) = self.found.get_mut(source) else { return Ok(None) };
        self.last = Some((source, slot.replace(servers)));
        let united = self.united();
        if united.is_err() {
            self.forget();
        }
        united
    }

    /// The answer that was taken last cannot be used: it counts as not given, so that it does not spoil those of the others.
    pub(super) fn forget(&mut self) {
        if let Some((source, before)) = self.last.take()
            && let Some(slot) = self.found.get_mut(source)
        {
            *slot = before;
        }
    }

    /// What each source has said that has said something.
    pub(super) fn each(&self) -> impl Iterator<Item = (usize, &[Server])> {
        let found = self.found.iter().enumerate();
        found.filter_map(|(source, servers)| Some((source, servers.as_deref()?)))
    }

    /// This source's answer cannot be used, whatever the others say.
    pub(super) fn forget_source(&mut self, source: usize) {
        if let Some(slot) = self.found.get_mut(source) {
            *slot = None;
        }
    }

    /// Fixed servers first, then those of each source, in the order of their answers. A server that is there already, at the same
    /// address, is the same one, whoever found it and whatever else is said of it.
    fn united(&self) -> Result<Option<Vec<Server>>, DiscoveryError> {
        let mut list = self.fixed.clone();
        for servers in &self.found {
            let Some(servers) = servers else { return Ok(None) };
            list.extend(servers.iter().cloned());
        }
        let mut seen = std::collections::HashSet::new();
        list.retain(|server| seen.insert(server.address.clone()));
        let mut names = std::collections::HashSet::new();
        if let Some(server) = list.iter().find(|server| !names.insert(server.name.as_str())) {
            return Err(DiscoveryError::malformed(format!("two servers are called {:?}", server.name)));
        }
        match list.len() > SERVERS_MAX {
            true => Err(DiscoveryError::TooMany { found: list.len() }),
            false => Ok(Some(list)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(texts: &[&str]) -> Vec<Server> {
        texts.iter().map(|text| Server::tcp(text).unwrap()).collect()
    }

    fn names(united: Result<Option<Vec<Server>>, DiscoveryError>) -> Vec<String> {
        united.unwrap().unwrap().into_iter().map(|server| server.name).collect()
    }

    #[test]
    fn a_list_is_given_when_every_source_has_answered() {
        let mut answers = Answers::new(list(&["fixed"]), 2);
        assert_eq!(answers.take(1, list(&["b"])), Ok(None));
        assert_eq!(answers.take(1, list(&["b", "c"])), Ok(None));
        assert_eq!(names(answers.take(0, list(&["a"]))), ["fixed:11211", "a:11211", "b:11211", "c:11211"]);
        assert_eq!(names(answers.take(1, list(&["c"]))), ["fixed:11211", "a:11211", "c:11211"]);
    }

    #[test]
    fn a_server_that_is_found_twice_is_one() {
        let mut answers = Answers::new(vec![Server::tcp("cache-1").unwrap().weight(3)], 2);
        assert_eq!(answers.take(0, list(&["CACHE-1:11211", "cache-2"])), Ok(None));
        let twice = vec![Server::tcp("cache-2:11211").unwrap().named("other"), Server::tcp("cache-3").unwrap()];
        let united = answers.take(1, twice).unwrap().unwrap();
        let shown: Vec<_> = united.iter().map(|server| (server.name.as_str(), server.weight)).collect();
        assert_eq!(shown, [("cache-1:11211", 3), ("cache-2:11211", 1), ("cache-3:11211", 1)]);
    }

    #[test]
    fn answers_that_cannot_be_used_leave_the_last_good_ones() {
        let mut answers = Answers::new(Vec::new(), 2);
        assert_eq!(answers.take(0, Vec::new()), Err(DiscoveryError::Empty));
        assert_eq!(answers.take(0, list(&["a"])), Ok(None));
        assert_eq!(names(answers.take(1, list(&["b"]))), ["a:11211", "b:11211"]);
        let same_name = vec![Server::tcp("c").unwrap().named("a:11211")];
        assert!(matches!(answers.take(1, same_name), Err(DiscoveryError::Malformed(_))));
        let many: Vec<_> = (0..SERVERS_MAX).map(|n| Server::tcp(&format!("s{n}")).unwrap()).collect();
        assert_eq!(answers.take(1, many), Err(DiscoveryError::TooMany { found: SERVERS_MAX + 1 }));
        assert_eq!(names(answers.take(0, list(&["d"]))), ["d:11211", "b:11211"]);
        // It was found afterwards that this one cannot be routed to.
        assert_eq!(names(answers.take(1, list(&["e"]))), ["d:11211", "e:11211"]);
        answers.forget();
        assert_eq!(names(answers.take(0, list(&["f"]))), ["f:11211", "b:11211"]);
    }
}
