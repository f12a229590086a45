//! RESP as memlink's engine sees it, for those who feed it bytes: fuzz targets, simulators. Not for users, and not promised to stay.

use crate::credentials::SignIn;
pub use crate::protocol::{Expect, Resp, State, Together};
use crate::{Cmd, Version};

/// The protocol, without credentials.
#[must_use]
pub fn protocol(version: Version) -> Resp {
    Resp { version, sign_in: SignIn::Nobody, database: 0, name: None, on_push: None }
}

/// Several commands that are sent as one, or one.
#[must_use]
pub fn together(cmds: Vec<Cmd>) -> Together {
    Together { cmds }
}
