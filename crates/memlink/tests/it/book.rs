//! A name service that says what a test has written into it.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use memlink::{Resolve, ResolveFuture};

/// Clones are one book.
#[derive(Clone, Default)]
pub(crate) struct Book(Arc<Pages>);

#[derive(Default)]
struct Pages {
    names: Mutex<HashMap<String, Result<Vec<IpAddr>, String>>>,
    asked: AtomicUsize,
}

impl Book {
    /// From now on `name` has these addresses.
    pub(crate) fn write(&self, name: &str, addresses: &[&str]) {
        let addresses = addresses.iter().map(|address| address.parse().expect("an IP address")).collect();
        self.0.names.lock().unwrap().insert(name.to_owned(), Ok(addresses));
    }

    /// From now on to ask for `name` fails.
    pub(crate) fn fail(&self, name: &str, why: &str) {
        self.0.names.lock().unwrap().insert(name.to_owned(), Err(why.to_owned()));
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.0.asked.load(Ordering::SeqCst)
    }
}

impl Resolve for Book {
    fn resolve(&self, host: &str) -> ResolveFuture {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        let found = self.0.names.lock().unwrap().get(host).cloned();
        let found = found.unwrap_or_else(|| Err("there is no such name".to_owned())).map_err(io::Error::other);
        Box::pin(async move { found })
    }
}
