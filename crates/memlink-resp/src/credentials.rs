use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use memlink::Settings;

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

/// Whom connections sign in as.
#[derive(Clone, Default)]
pub(crate) enum SignIn {
    #[default]
    Nobody,
    Always(Credentials),
    /// What a provider has given last, which is asked before every dial.
    Latest(Arc<Mutex<Option<Credentials>>>),
}

/// Is asked before every dial.
pub(crate) type Provider = Box<dyn Fn() -> Pin<Box<dyn Future<Output = io::Result<Credentials>> + Send>> + Send + Sync>;

impl SignIn {
    /// By what `provider` says, and the settings that ask it.
    pub(crate) fn from_provider(provider: Provider, settings: Settings) -> (SignIn, Settings) {
        let latest: Arc<Mutex<Option<Credentials>>> = Arc::default();
        let sign_in = SignIn::Latest(latest.clone());
        let settings = settings.before_dial(move |_| {
            let (asked, latest) = (provider(), latest.clone());
            async move {
                let credentials = asked.await.map_err(|error| {
                    io::Error::new(error.kind(), format!("the provider of credentials failed: {error}"))
                })?;
                // It is only ever replaced whole, so a poisoned lock is as good as any.
                *latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(credentials);
                Ok(())
            }
        });
        (sign_in, settings)
    }

    /// For a connection that opens now.
    pub(crate) fn credentials(&self) -> Option<Credentials> {
        match self {
            SignIn::Nobody => None,
            SignIn::Always(credentials) => Some(credentials.clone()),
            SignIn::Latest(latest) => latest.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SignIn::Nobody => f.write_str("Nobody"),
            SignIn::Always(credentials) => credentials.fmt(f),
            SignIn::Latest(_) => f.write_str("Latest"),
        }
    }
}
