//! How the tour looks: headings, aligned rows, colours where they are wanted.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Where the second column begins.
const COLUMN: usize = 40;

/// How long the lines of a paragraph are.
const WIDTH: usize = 72;

/// What is printed goes through here.
pub(crate) struct Page {
    colours: bool,
    steps: AtomicUsize,
}

#[derive(Clone, Copy)]
enum Colour {
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
    Blue,
}

impl Page {
    /// Colours are for terminals, and only for people who have not declined them by `NO_COLOR`.
    pub(crate) fn for_stdout() -> Page {
        let declined = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Page { colours: io::stdout().is_terminal() && !declined, steps: AtomicUsize::new(0) }
    }

    pub(crate) fn title(&self, text: &str) {
        self.line(&format!("\n  {}\n  {}", self.paint(Colour::Bold, text), "=".repeat(text.len())));
    }

    /// Begins the next step.
    pub(crate) fn step(&self, text: &str) {
        let number = self.steps.fetch_add(1, Ordering::Relaxed) + 1;
        self.line(&format!("\n  {}", self.paint(Colour::Bold, &format!("{number}. {text}"))));
    }

    pub(crate) fn say(&self, text: &str) {
        self.line(&format!("     {text}"));
    }

    /// What was done, and what came of it.
    pub(crate) fn row(&self, left: &str, right: impl Display) {
        self.painted_row(left, right, Colour::Green);
    }

    /// A row whose result is an error.
    pub(crate) fn bad_row(&self, left: &str, right: impl Display) {
        self.painted_row(left, right, Colour::Red);
    }

    fn painted_row(&self, left: &str, right: impl Display, colour: Colour) {
        let gap = " ".repeat(COLUMN.saturating_sub(left.chars().count()).max(1));
        let right = self.paint(colour, &right.to_string());
        self.line(&format!("       {}{gap}{right}", self.paint(Colour::Blue, left)));
    }

    /// One server of the picture: how many keys it has, and which.
    pub(crate) fn keys(&self, server: &str, keys: &[&str]) {
        let bar = self.paint(Colour::Yellow, &format!("{:<6}", "#".repeat(keys.len())));
        self.line(&format!("       {} <--- {bar} {}", self.paint(Colour::Blue, server), keys.join(" ")));
    }

    /// Something that is not as it might be, and no failure.
    pub(crate) fn note(&self, text: &str) {
        self.paragraph(text, Colour::Yellow);
    }

    /// An error in its own words.
    pub(crate) fn bad(&self, text: &str) {
        self.paragraph(text, Colour::Red);
    }

    /// Broken between words, so that it fits.
    fn paragraph(&self, text: &str, colour: Colour) {
        let mut line = String::new();
        for word in text.split(' ') {
            if !line.is_empty() && line.chars().count() + word.chars().count() >= WIDTH {
                self.line(&format!("       {}", self.paint(colour, &std::mem::take(&mut line))));
            }
            let space = if line.is_empty() { "" } else { " " };
            line = format!("{line}{space}{word}");
        }
        self.line(&format!("       {}", self.paint(colour, &line)));
    }

    pub(crate) fn end(&self) {
        self.line(&format!(
            "\n  {}\n",
            self.paint(Colour::Dim, "The code of this tour is in crates/memlink/examples/quickstart.")
        ));
    }

    pub(crate) fn give_up(&self, why: &str) -> ExitCode {
        self.line("");
        self.bad(why);
        self.line("");
        ExitCode::FAILURE
    }

    fn paint(&self, colour: Colour, text: &str) -> String {
        let code = match colour {
            Colour::Bold => "1",
            Colour::Dim => "2",
            Colour::Red => "31",
            Colour::Green => "32",
            Colour::Yellow => "33",
            Colour::Blue => "36",
        };
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// A reader that has seen enough (`| head`) is no reason to fail.
    fn line(&self, text: &str) {
        let _ = writeln!(io::stdout().lock(), "{text}");
    }
}

/// A value as a person would write it.
pub(crate) fn shown(value: Option<&[u8]>) -> String {
    match value {
        None => "a miss".to_owned(),
        Some(bytes) => format!("{:?}", String::from_utf8_lossy(bytes)),
    }
}
