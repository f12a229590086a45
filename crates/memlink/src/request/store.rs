use memlink_meta::{Arithmetic, Delete, Set, Ttl};

use super::{Full, Reading, Request};

/// Options of all that store: [`set`](crate::Client::set), [`add`](crate::Client::add), [`replace`](crate::Client::replace),
/// [`append`](crate::Client::append), [`prepend`](crate::Client::prepend).
impl<'c, R: Reading<Set>> Request<'c, Set, R> {
    /// How long the value lives. Without this it never expires. Has no meaning for append and prepend: there the item keeps its
    /// own.
    pub fn ttl(self, ttl: impl Into<Ttl>) -> Self {
        self.map(|set| set.ttl(ttl))
    }

    /// A number that is stored with the value and comes back with it on request.
    pub fn client_flags(self, client_flags: u32) -> Self {
        self.map(|set| set.client_flags(client_flags))
    }

    /// Stores only if the item still has this CAS id. The result says what became of it.
    pub fn compare_cas(self, cas: u64) -> Request<'c, Set, Full> {
        self.map(|set| set.compare_cas(cas)).read_as(Full)
    }

    /// Gives the item this CAS id instead of one of the server's choice. Needs memcached 1.6.27.
    pub fn override_cas(self, cas: u64) -> Self {
        self.map(|set| set.override_cas(cas))
    }

    /// With [`compare_cas`](Request::compare_cas): a value that is older than the item is stored as stale instead of being refused.
    pub fn invalidate(self) -> Self {
        self.map(Set::invalidate)
    }

    /// For append and prepend: where there is no item, stores the value as a new one that lives for `ttl`. Needs memcached
    /// 1.6.20.
    pub fn vivify(self, ttl: impl Into<Ttl>) -> Self {
        self.map(|set| set.vivify(ttl))
    }

    /// Asks for the CAS id of what was stored.
    pub fn with_cas(self) -> Request<'c, Set, Full> {
        self.map(Set::with_cas).read_as(Full)
    }

    /// Asks for the length of what was stored. Needs memcached 1.6.20.
    pub fn with_size(self) -> Request<'c, Set, Full> {
        self.map(Set::with_size).read_as(Full)
    }

    /// A hint for proxies on the way (`P`); memcached ignores it.
    pub fn proxy_path(self, text: impl AsRef<[u8]>) -> Self {
        self.map(|set| set.proxy_path(text))
    }

    /// A hint for proxies on the way (`L`); memcached ignores it.
    pub fn proxy_location(self, text: impl AsRef<[u8]>) -> Self {
        self.map(|set| set.proxy_location(text))
    }
}

/// Options of [`delete`](crate::Client::delete).
impl<'c, R: Reading<Delete>> Request<'c, Delete, R> {
    /// Deletes only if the item still has this CAS id. The result says what became of it.
    pub fn compare_cas(self, cas: u64) -> Request<'c, Delete, Full> {
        self.map(|delete| delete.compare_cas(cas)).read_as(Full)
    }

    /// Marks the item stale instead of deleting it: those who get it see the old value, and one of them is elected to refresh it.
    pub fn mark_stale(self) -> Self {
        self.map(Delete::mark_stale)
    }

    /// Replaces the item by an empty one instead of deleting it. Give it a [`ttl`](Request::ttl): without one it never expires.
    /// Needs memcached 1.6.27.
    pub fn drop_value(self) -> Request<'c, Delete, Full> {
        self.map(Delete::drop_value).read_as(Full)
    }

    /// With [`mark_stale`](Request::mark_stale) or [`drop_value`](Request::drop_value): how long what stays lives from now on.
    pub fn ttl(self, ttl: impl Into<Ttl>) -> Self {
        self.map(|delete| delete.ttl(ttl))
    }

    /// With [`drop_value`](Request::drop_value): the number that is stored with the empty value.
    pub fn client_flags(self, client_flags: u32) -> Self {
        self.map(|delete| delete.client_flags(client_flags))
    }

    /// With [`mark_stale`](Request::mark_stale) or [`drop_value`](Request::drop_value): the new CAS id. Needs memcached 1.6.27.
    pub fn override_cas(self, cas: u64) -> Self {
        self.map(|delete| delete.override_cas(cas))
    }
}

/// Options of [`increment`](crate::Client::increment) and [`decrement`](crate::Client::decrement).
impl<'c, R: Reading<Arithmetic>> Request<'c, Arithmetic, R> {
    /// By how much; 1 unless told otherwise.
    pub fn by(self, delta: u64) -> Self {
        self.map(|arithmetic| arithmetic.delta(delta))
    }

    /// Where there is no such item, creates it with this number, to which nothing is added. It lives as long as
    /// [`initial_ttl`](Request::initial_ttl) says, else as long as [`ttl`](Request::ttl) says, else for ever.
    pub fn initial(self, initial: u64) -> Self {
        self.map(|arithmetic| arithmetic.initial(initial))
    }

    /// How long a number that is created lives.
    pub fn initial_ttl(self, ttl: impl Into<Ttl>) -> Self {
        self.map(|arithmetic| arithmetic.vivify(ttl))
    }

    /// Sets a new time to live on a hit.
    pub fn ttl(self, ttl: impl Into<Ttl>) -> Self {
        self.map(|arithmetic| arithmetic.touch(ttl))
    }

    /// Changes it only if the item still has this CAS id. The result says what became of it.
    pub fn compare_cas(self, cas: u64) -> Request<'c, Arithmetic, Full> {
        self.map(|arithmetic| arithmetic.compare_cas(cas)).read_as(Full)
    }

    /// Gives the item this CAS id instead of one of the server's choice. Needs memcached 1.6.27.
    pub fn override_cas(self, cas: u64) -> Self {
        self.map(|arithmetic| arithmetic.override_cas(cas))
    }

    /// Asks for the CAS id afterwards.
    pub fn with_cas(self) -> Request<'c, Arithmetic, Full> {
        self.map(Arithmetic::with_cas).read_as(Full)
    }

    /// Asks for the time that is left.
    pub fn with_ttl(self) -> Request<'c, Arithmetic, Full> {
        self.map(Arithmetic::with_ttl).read_as(Full)
    }
}
