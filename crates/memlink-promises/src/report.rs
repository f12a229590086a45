//! What a check has found.

use std::fmt::{self, Write as _};
use std::time::Duration;

use crate::Check;

/// What one check has found.
#[derive(Debug, Clone, Default)]
#[must_use = "it may say that a promise is broken"]
pub struct Report {
    /// The figure reached, in words.
    pub reached: String,
    /// What was done to the client, and what else is worth knowing.
    pub injected: Vec<Injected>,
    /// What must never happen and did, and faults that did not come about.
    pub wrong: Vec<String>,
    /// Bounds in time or size that were not kept: on a busy machine this need not be the client.
    pub beyond: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

/// How often something was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Injected {
    /// What it is.
    pub what: &'static str,
    /// How often it was done.
    pub count: u64,
    /// With fewer the check has shown nothing.
    pub least: u64,
}

impl Report {
    /// Whether the promise was kept.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.wrong.is_empty() && self.beyond.is_empty()
    }

    /// A thing that was done so often, and at least so often or the check has shown nothing.
    pub(crate) fn injected(&mut self, what: &'static str, count: u64, least: u64) {
        self.must(count >= least, || format!("only {count} of {least} {what}"));
        self.injected.push(Injected { what, count, least });
    }

    /// What must hold on any machine.
    pub(crate) fn must(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.wrong.push(otherwise());
        }
    }

    /// What must hold on a machine that has time for it.
    pub(crate) fn bound(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.beyond.push(otherwise());
        }
    }

    /// A block for people.
    #[must_use]
    pub fn text(&self, check: &Check) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(check, &mut text);
        text
    }

    fn write(&self, check: &Check, text: &mut String) -> fmt::Result {
        let verdict = if self.is_kept() { "kept" } else { "BROKEN" };
        writeln!(text, "{} ({}): {verdict}, after {:.1} s", check.name, check.promise, self.took.as_secs_f64())?;
        writeln!(text, "  asked     {}", check.asked)?;
        writeln!(text, "  reached   {}", self.reached)?;
        let injected: Vec<_> = self.injected.iter().map(|one| format!("{} {}", one.count, one.what)).collect();
        writeln!(text, "  injected  {}", injected.join(", "))?;
        self.wrong.iter().try_for_each(|what| writeln!(text, "  WRONG     {what}"))?;
        self.beyond.iter().try_for_each(|what| writeln!(text, "  BEYOND    {what}"))
    }

    /// One line for programs.
    #[must_use]
    pub fn json(&self, check: &Check) -> String {
        let injected: Vec<_> = self.injected.iter().map(|one| format!("{}:{}", quoted(one.what), one.count)).collect();
        format!(
            "{{\"name\":{},\"promise\":{},\"asked\":{},\"reached\":{},\"injected\":{{{}}},\"wrong\":{},\"beyond\":{},\"kept\":{},\"seconds\":{:.3}}}",
            quoted(check.name),
            quoted(check.promise),
            quoted(check.asked),
            quoted(&self.reached),
            injected.join(","),
            list(&self.wrong),
            list(&self.beyond),
            self.is_kept(),
            self.took.as_secs_f64(),
        )
    }
}

fn list(texts: &[String]) -> String {
    format!("[{}]", texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(","))
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_without_its_faults_is_broken() {
        let mut report = Report::default();
        report.injected("faults", 10, 10);
        assert!(report.is_kept());
        report.injected("losses", 9, 10);
        assert!(!report.is_kept() && report.wrong == ["only 9 of 10 losses"], "{report:?}");
    }

    #[test]
    fn texts_are_quoted_for_programs() {
        assert_eq!(quoted("a \"b\" \\ \n"), "\"a \\\"b\\\" \\\\ \\u000a\"");
    }
}
