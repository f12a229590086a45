//! TLS: who is trusted, who is not, and what changes while a program runs. Certificates are made by the tests themselves.

pub(crate) mod authority;
mod files;
mod peer;
mod renewal;
mod served;
mod strangers;
mod wear;
