//! One table of conversations with memcached: the bytes that are sent, the bytes that come back, and what they mean.
//!
//! The table is text, in this crate's folder `data`; `docs/conversations.md` describes its format. This library reads it
//! and knows nothing else: no socket, no server and no memlink crate. The tests of this crate run it three ways, which
//! must agree: with a real memcached that they start, with the embedded server, and with the engine stepped by hand.
//!
//! ```
//! let all = memlink_conversations::all().expect("the table can be read");
//! assert!(all.iter().any(|conversation| conversation.name == "mg: a hit with its value"));
//! ```

mod files;
mod parse;
mod scene;
mod table;
mod template;
mod wire;

pub use files::all;
pub use parse::parse;
pub use scene::Scene;
pub use table::{Conversation, Holds, Line, Release, Startup, Step, Talk};
pub use template::{Match, Template};
pub use wire::{Asked, asked, units};
