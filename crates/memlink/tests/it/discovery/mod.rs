//! Servers that are found: what sources say, what they fail to say, and what becomes of requests meanwhile.

mod elasticache;
#[cfg(feature = "discovery-file")]
mod file;
mod first;
mod following;
mod life;
#[cfg(feature = "schemes")]
mod scheme;
#[cfg(feature = "dns-srv")]
mod srv;
mod told;
