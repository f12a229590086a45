use crate::Template;

/// A release of memcached whose answers are in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Release {
    /// Debian's.
    V1_6_18,
    /// Upstream's, with the parser of 1.6.40 and the strict numbers of 1.6.45.
    V1_6_45,
}

impl Release {
    /// Both, older first.
    pub const ALL: [Release; 2] = [Release::V1_6_18, Release::V1_6_45];

    /// As the server says it.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Release::V1_6_18 => "1.6.18",
            Release::V1_6_45 => "1.6.45",
        }
    }

    /// The release whose answers a server of this version gives: the older is itself alone, the newer stands for all that
    /// came after it. `None` for those in between, which the table does not describe.
    #[must_use]
    pub fn of_version(text: &str) -> Option<Release> {
        match text.strip_prefix("1.6.")?.parse::<u32>().ok()? {
            18 => Some(Release::V1_6_18),
            45.. => Some(Release::V1_6_45),
            _ => None,
        }
    }
}

/// Whom a conversation holds for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holds {
    /// Servers of these releases.
    For(Vec<Release>),
    /// A server that is not at hand, a proxy or another release: of this version, and only the engine is asked.
    Elsewhere(String),
}

/// How the server has to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Startup {
    /// `flush_all` is switched off (`-F`).
    NoFlush,
    /// Items of at most this many bytes (`-I`).
    ItemBytesMax(usize),
}

/// A conversation on one connection with a server that was just started.
#[derive(Debug, Clone)]
pub struct Conversation {
    /// What it shows. Unique.
    pub name: String,
    /// Where it stands: file and line.
    pub place: String,
    /// Whom it holds for.
    pub holds: Holds,
    /// How the server has to be started.
    pub startup: Vec<Startup>,
    /// Why the embedded server answers otherwise, where it does so on purpose.
    pub not_embedded: Option<String>,
    /// What is said, in order.
    pub steps: Vec<Step>,
}

impl Conversation {
    /// Whether it holds for servers of this release.
    #[must_use]
    pub fn holds_for(&self, release: Release) -> bool {
        matches!(&self.holds, Holds::For(releases) if releases.contains(&release))
    }

    /// Whether the clock moves, which only a server whose clock is ours can follow.
    #[must_use]
    pub fn moves_clock(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Wait(_)))
    }
}

/// One step of a conversation.
#[derive(Debug, Clone)]
pub enum Step {
    /// Something is sent in one piece, and all of this comes back.
    Talk(Talk),
    /// So many seconds pass.
    Wait(u64),
    /// The server closes the connection without a further byte.
    Closed,
}

/// What is sent at once, and what comes back.
#[derive(Debug, Clone, Default)]
pub struct Talk {
    /// Lines to the server.
    pub request: Vec<Line>,
    /// Lines from it.
    pub reply: Vec<Line>,
    /// What each command means to memlink-meta, in order. Empty where it writes none of them.
    pub meaning: Vec<Line>,
}

/// One line of the table, and the release that it is restricted to.
#[derive(Debug, Clone)]
pub struct Line {
    /// `None`: all.
    pub release: Option<Release>,
    /// The text; a line end is part of it where one is meant.
    pub text: Template,
}

impl Talk {
    /// What is sent to a server of this release.
    #[must_use]
    pub fn request(&self, release: Release) -> Template {
        join(&self.request, release)
    }

    /// What comes back from it.
    #[must_use]
    pub fn reply(&self, release: Release) -> Template {
        join(&self.reply, release)
    }

    /// What the commands mean where that server answers, one template each.
    #[must_use]
    pub fn meaning(&self, release: Release) -> Vec<&Template> {
        self.meaning.iter().filter(|line| applies(line, release)).map(|line| &line.text).collect()
    }
}

fn applies(line: &Line, release: Release) -> bool {
    line.release.is_none_or(|only| only == release)
}

fn join(lines: &[Line], release: Release) -> Template {
    Template::join(lines.iter().filter(|line| applies(line, release)).map(|line| &line.text))
}
