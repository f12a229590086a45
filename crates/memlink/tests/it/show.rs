//! Results as short texts, so that a table of cases reads like a table.

use memlink::{Counted, CountedOutcome, DeleteOutcome, Error, ItemInfo, SetOutcome, Stored, TtlLeft, Value};

/// One line for what a request gave.
pub(crate) trait Show {
    fn show(&self) -> String;
}

impl<T: Show> Show for Result<T, Error> {
    fn show(&self) -> String {
        match self {
            Ok(result) => result.show(),
            Err(error) => format!("{:?} {:?}", error.kind(), error.outcome()),
        }
    }
}

impl<T: Show> Show for Option<T> {
    fn show(&self) -> String {
        self.as_ref().map_or_else(|| "none".to_owned(), T::show)
    }
}

impl Show for () {
    fn show(&self) -> String {
        "done".to_owned()
    }
}

impl Show for bool {
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Show for u64 {
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Show for DeleteOutcome {
    fn show(&self) -> String {
        format!("{self:?}")
    }
}

/// Ids are of the server's choice: that there is one is shown, not which.
impl Show for Stored {
    fn show(&self) -> String {
        let outcome = match self.outcome {
            SetOutcome::Stored => "Stored",
            SetOutcome::NotStored => "NotStored",
            SetOutcome::Exists => "Exists",
            SetOutcome::NotFound => "NotFound",
        };
        words(outcome, &[self.cas.map(|_| "cas".to_owned()), self.size.map(|size| format!("size={size}"))])
    }
}

impl Show for Counted {
    fn show(&self) -> String {
        let outcome = match self.outcome {
            CountedOutcome::Done => "Done",
            CountedOutcome::NotFound => "NotFound",
            CountedOutcome::Exists => "Exists",
            CountedOutcome::NotStored => "NotStored",
        };
        let value = self.value.map(|value| value.to_string());
        words(outcome, &[value, self.cas.map(|_| "cas".to_owned()), self.ttl.map(ttl)])
    }
}

impl Show for Value {
    fn show(&self) -> String {
        let word = |is: bool, word: &str| is.then(|| word.to_owned());
        words(
            &format!("{:?}", self.to_str().unwrap_or("binary")),
            &[
                self.client_flags().map(|flags| format!("flags={flags}")),
                self.cas().map(|_| "cas".to_owned()),
                self.ttl().map(ttl),
                self.size().map(|size| format!("size={size}")),
                self.hit_before().map(|hit| format!("hit={hit}")),
                self.last_access().map(|_| "access".to_owned()),
                word(self.is_won(), "won"),
                word(self.is_stale(), "stale"),
                word(self.is_won_by_another(), "taken"),
                word(self.is_unchanged(), "unchanged"),
            ],
        )
    }
}

impl Show for ItemInfo {
    fn show(&self) -> String {
        words(
            "item",
            &[
                self.expires_in.map(|seconds| ttl(TtlLeft::Seconds(seconds as u32))),
                self.fetched.map(|fetched| format!("fetched={fetched}")),
                self.cas.map(|_| "cas".to_owned()),
                self.size.map(|_| "size".to_owned()),
            ],
        )
    }
}

/// The server's clock ticks once a second, so the times of cases are tens, and what is left is rounded up to the next ten.
fn ttl(left: TtlLeft) -> String {
    match left {
        TtlLeft::Never => "ttl=never".to_owned(),
        TtlLeft::Seconds(seconds) => format!("ttl={}", seconds.saturating_sub(1).div_ceil(10) * 10),
    }
}

fn words(first: &str, rest: &[Option<String>]) -> String {
    let mut line = first.to_owned();
    for word in rest.iter().flatten() {
        line.push(' ');
        line.push_str(word);
    }
    line
}
