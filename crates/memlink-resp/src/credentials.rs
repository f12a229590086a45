use std::fmt;

/// Who signs in. Neither errors nor `Debug` show the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    user: Option<String>,
    password: String,
}

impl Credentials {
    /// A user of the server's access list.
    #[must_use]
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Credentials {
        Credentials { user: Some(user.into()), password: password.into() }
    }

    /// The server's one password (`requirepass`), which is that of the user `default`.
    #[must_use]
    pub fn with_password(password: impl Into<String>) -> Credentials {
        Credentials { user: None, password: password.into() }
    }

    /// The name, if there is one.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    pub(crate) fn password(&self) -> &str {
        &self.password
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}
