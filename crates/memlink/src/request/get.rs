use memlink_meta::{Get, Ttl};

use super::{Fetched, Request};

/// Options of [`Client::get`](crate::Client::get) and [`Client::peek`](crate::Client::peek).
impl Request<'_, Get, Fetched> {
    /// Asks for the client flags, too.
    pub fn with_client_flags(self) -> Self {
        self.map(Get::with_client_flags)
    }

    /// Asks for the CAS id, too.
    pub fn with_cas(self) -> Self {
        self.map(Get::with_cas)
    }

    /// Asks for the time that is left, too; after a [`touch`](Request::touch) it is the new one.
    pub fn with_ttl(self) -> Self {
        self.map(Get::with_ttl)
    }

    /// Asks for the length of the value, too.
    pub fn with_size(self) -> Self {
        self.map(Get::with_size)
    }

    /// Asks whether it had been fetched before, too.
    pub fn with_hit_before(self) -> Self {
        self.map(Get::with_hit_before)
    }

    /// Asks for the seconds since the last access, too.
    pub fn with_last_access(self) -> Self {
        self.map(Get::with_last_access)
    }

    /// Does not count as an access for the server's eviction.
    pub fn no_bump(self) -> Self {
        self.map(Get::no_bump)
    }

    /// Sets a new time to live on a hit.
    pub fn touch(self, ttl: impl Into<Ttl>) -> Self {
        self.map(|get| get.touch(ttl))
    }

    /// Leaves the value out if the item still has this CAS id ([`Value::is_unchanged`](crate::Value::is_unchanged)). Servers
    /// before 1.6.40 send it all the same; the result is the same.
    pub fn unless_cas(self, cas: u64) -> Self {
        self.map(|get| get.unless_cas(cas))
    }

    /// On a miss creates an empty placeholder that lives for `ttl`, and elects this caller to fill it: the result is then an
    /// empty value with [`is_won`](crate::Value::is_won). Everyone else sees
    /// [`is_won_by_another`](crate::Value::is_won_by_another) until it is filled or has expired.
    pub fn vivify(self, ttl: impl Into<Ttl>) -> Self {
        self.map(|get| get.vivify(ttl)).take_win()
    }

    /// When less than `ttl` is left, elects one caller to refresh the item ahead of time
    /// ([`is_won`](crate::Value::is_won)).
    pub fn recache(self, ttl: impl Into<Ttl>) -> Self {
        self.map(|get| get.recache(ttl)).take_win()
    }

    /// Takes the election for a stale item, if it falls on this caller: look at [`is_won`](crate::Value::is_won), and store a new
    /// value when it is true. Without this, and without [`vivify`](Request::vivify) and [`recache`](Request::recache), such an election
    /// is given back.
    pub fn take_win(self) -> Self {
        self.read_as(Fetched { takes_win: true })
    }

    /// The CAS id of a placeholder made by [`vivify`](Request::vivify), instead of one of the server's choice. Needs memcached
    /// 1.6.27.
    pub fn override_cas(self, cas: u64) -> Self {
        self.map(|get| get.override_cas(cas))
    }

    /// A hint for proxies on the way (`P`); memcached ignores it.
    pub fn proxy_path(self, text: impl AsRef<[u8]>) -> Self {
        self.map(|get| get.proxy_path(text))
    }

    /// A hint for proxies on the way (`L`); memcached ignores it.
    pub fn proxy_location(self, text: impl AsRef<[u8]>) -> Self {
        self.map(|get| get.proxy_location(text))
    }
}
