use alloc::{boxed::Box, string::String, sync::Arc, vec::Vec};

use super::{
    KeyPart, Kind, SchemeError, SchemeRing, Server, Weights,
    key::Prefix,
    ring::{Locate, Sole},
};

/// How another client finds the server of a key.
///
/// Made by the function named after the client, or by [`str::parse`] from the name [`Scheme::names`] lists; then given the options
/// that the client was configured with; then made into a ring of servers by [`Scheme::ring`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Scheme {
    pub(super) kind: Kind,
    pub(super) part: KeyPart,
    pub(super) prefix: Prefix,
    pub(super) sorted: bool,
    pub(super) seed: Option<Box<[u8]>>,
    pub(super) salt: Option<Box<[u8]>>,
    pub(super) one: Option<u32>,
}

/// # Options and the ring
impl Scheme {
    /// Which part of the key is hashed; all of it unless set, and [`KeyPart::Mcrouter`] in mcrouter's schemes.
    pub fn hashed_part(mut self, part: KeyPart) -> Self {
        self.part = part;
        self
    }

    /// Keys go to the server with this prefix, and it is hashed with them; the keys given to the ring are without it.
    ///
    /// libmemcached does so with `MEMCACHED_BEHAVIOR_HASH_WITH_PREFIX_KEY`, and its corner cases hold in its schemes: prefix and
    /// key of more than 250 bytes hash to 0, and a key counts as NULs from its first NUL on. Golden file:
    /// `libmemcached_ketama_weighted_ns_hashed`. A [`KeyPart`] is taken from the key before the prefix comes to it.
    pub fn prefix_hashed(mut self, prefix: impl AsRef<[u8]>) -> Self {
        self.prefix = Prefix::Hashed(prefix.as_ref().into());
        self
    }

    /// Whether keys are given to the ring without a [prefix that is hashed with them](Scheme::prefix_hashed).
    #[must_use]
    pub fn hashes_prefix(&self) -> bool {
        matches!(self.prefix, Prefix::Hashed(_))
    }

    /// Keys begin with this prefix, on the wire and as they are given to the ring, and are hashed without it: what libmemcached does
    /// with a prefix unless told otherwise, and pymemcache. A key that does not begin with it is hashed whole.
    pub fn prefix_skipped(mut self, prefix: impl AsRef<[u8]>) -> Self {
        self.prefix = Prefix::Skipped(prefix.as_ref().into());
        self
    }

    /// libmemcached's `MEMCACHED_BEHAVIOR_SORT_HOSTS`: servers count in the order of their hosts' bytes, then of their ports.
    /// The ring still answers with places in the list as it was given. Golden file: `libmemcached_modula_default_sorted`.
    pub fn sort_hosts(mut self) -> Self {
        self.sorted = true;
        self
    }

    /// The pool option `seed` of memcached's proxy: a text that changes the hash of keys. Golden files:
    /// `memcached_proxy_jump_seed_hello` and `memcached_proxy_ring_default_seed_hello`.
    pub fn seed(mut self, seed: impl AsRef<[u8]>) -> Self {
        self.seed = Some(seed.as_ref().into());
        self
    }

    /// The `salt` of a mcrouter route with Ch3: appended to the key before it is hashed. Golden file: `mcrouter_ch3_salt`.
    pub fn salt(mut self, salt: impl AsRef<[u8]>) -> Self {
        self.salt = Some(salt.as_ref().into());
        self
    }

    /// The weight that stands for mcrouter's 1.0 in its weighted schemes, such as 100 where its weights are given in
    /// hundredths; the greatest weight of the list unless set.
    pub fn weight_of_one(mut self, weight: u32) -> Self {
        self.one = Some(weight);
        self
    }

    /// Makes the ring of `servers`.
    ///
    /// This computes and sorts all points: some 5 ms for 300 servers of 160, up to 30 ms where points are SHA-1s or whole MD5s.
    /// Make a ring once per list, not per request.
    ///
    /// # Errors
    ///
    /// [`SchemeError`], if the list is empty or too long, holds a server twice, or one that the scheme cannot name or weigh, and
    /// if an option was set that the scheme does not have.
    pub fn ring(&self, servers: &[Server]) -> Result<SchemeRing, SchemeError> {
        self.check_options()?;
        self.check_servers(servers)?;
        let prefix = match self.kind {
            // libmemcached joins prefix and key in its own way.
            Kind::Libmemcached(_) if matches!(self.prefix, Prefix::Hashed(_)) => Prefix::None,
            _ => self.prefix.clone(),
        };
        // Made in any case, for what it finds wrong.
        let mut locate: Arc<dyn Locate> = self.kind.locate(self, servers)?.into();
        if servers.len() == 1 {
            locate = Arc::new(Sole);
        }
        Ok(SchemeRing { part: self.part.clone(), prefix, locate })
    }

    pub(super) fn of(kind: Kind) -> Self {
        let (part, prefix) = (KeyPart::Whole, Prefix::None);
        Self { kind, part, prefix, sorted: false, seed: None, salt: None, one: None }
    }

    fn check_options(&self) -> Result<(), SchemeError> {
        let options = [
            ("sort_hosts", self.sorted, self.kind.has_sorting()),
            ("seed", self.seed.is_some(), self.kind.has_seed()),
            ("salt", self.salt.is_some(), self.kind.has_salt()),
            ("weight_of_one", self.one.is_some(), self.kind.has_weight_of_one()),
        ];
        match options.into_iter().find(|(_, is_set, exists)| *is_set && !exists) {
            Some((option, ..)) => Err(SchemeError::OptionUnsupported { option }),
            None => Ok(()),
        }
    }

    fn check_servers(&self, servers: &[Server]) -> Result<(), SchemeError> {
        if servers.is_empty() {
            return Err(SchemeError::NoServers);
        }
        if servers.len() > SchemeRing::SERVERS_MAX {
            return Err(SchemeError::TooManyServers);
        }
        self.check_names(servers)?;
        let place = |bad: fn(&Server) -> bool| servers.iter().position(bad);
        match self.kind.weights() {
            Weights::None => match place(|server| server.weight() != 1) {
                Some(server) => Err(SchemeError::WeightUnsupported { server }),
                None => Ok(()),
            },
            Weights::Positive => match place(|server| server.weight() == 0) {
                Some(server) => Err(SchemeError::ZeroWeight { server }),
                None => Ok(()),
            },
            Weights::Draining => match place(|server| server.weight() > 0) {
                Some(_) => Ok(()),
                None => Err(SchemeError::NoWeight),
            },
        }
    }

    fn check_names(&self, servers: &[Server]) -> Result<(), SchemeError> {
        let alias = |server: &Server| server.alias().filter(|_| self.kind.has_aliases()).map(String::from);
        let mut names: Vec<_> = servers
            .iter()
            .enumerate()
            .map(|(place, server)| (alias(server).unwrap_or_else(|| server.host_port()), place))
            .collect();
        names.sort();
        match names.windows(2).find(|pair| matches!(pair, [one, other] if one.0 == other.0)) {
            Some([(_, first), (_, second)]) => Err(SchemeError::DuplicateServer { first: *first, second: *second }),
            _ => Ok(()),
        }
    }
}
