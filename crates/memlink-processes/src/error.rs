use std::fmt;

/// Why a server could not be started, stopped or asked, in words for whoever runs the test.
pub struct ProcessError(pub(crate) String);

impl fmt::Display for ProcessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// As it is read in a test that has panicked because of it.
impl fmt::Debug for ProcessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ProcessError {}

/// The same of another error: what could not be done, and why.
pub(crate) fn because<E: fmt::Display>(what: &str) -> impl FnOnce(E) -> ProcessError {
    move |error| ProcessError(format!("{what}: {error}"))
}
