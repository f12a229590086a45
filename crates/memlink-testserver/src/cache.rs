//! What all connections of a server share: the items, the settings, the counts.

use crate::limits::{PREFIXES_MAX, RECORD_LEN_MAX, RECORD_LINE_LEN_MAX};
use crate::settings::Settings;
use crate::store::Store;
use crate::store::time::Moment;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::Duration;

/// The state of one server, without its sockets. Every [`Session`] of the
/// server is handed it with each call, so a test can drive several sessions
/// over one cache by hand.
///
/// [`Session`]: crate::Session
#[derive(Debug)]
pub struct Cache {
    pub(crate) settings: Settings,
    pub(crate) store: Store,
    pub(crate) counts: Counts,
    pub(crate) prefixes: Prefixes,
    started: Duration,
    record: Vec<Executed>,
    sessions_begun: u64,
    /// What was executed and is still to be told, where somebody listens.
    untold: Option<Vec<Executed>>,
    /// Whether the last of each is the latest command.
    latest: Latest,
}

#[derive(Debug, Clone, Copy, Default)]
struct Latest {
    is_recorded: bool,
    is_untold: bool,
}

/// One command that was executed, as [`Settings::records`] asks to have kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Executed {
    /// Which session sent it, counted from 1 in the order they began.
    pub session: u64,
    /// Its line without the line end and without any value. Lines beyond 2048
    /// bytes are cut there.
    pub line: Bytes,
    /// A fault has kept its reply back, whole or in part.
    pub swallowed: bool,
}

/// What the general `stats` counts.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) commands: u64,
    pub(crate) get: u64,
    pub(crate) get_hits: u64,
    pub(crate) get_misses: u64,
    pub(crate) set: u64,
    pub(crate) flush: u64,
    pub(crate) touch: u64,
    pub(crate) touch_hits: u64,
    pub(crate) touch_misses: u64,
    pub(crate) meta: u64,
    pub(crate) delete_hits: u64,
    pub(crate) delete_misses: u64,
    pub(crate) increment_hits: u64,
    pub(crate) increment_misses: u64,
    pub(crate) decrement_hits: u64,
    pub(crate) decrement_misses: u64,
    pub(crate) cas_hits: u64,
    pub(crate) cas_misses: u64,
    pub(crate) cas_differs: u64,
    pub(crate) too_large: u64,
    pub(crate) no_memory: u64,
    pub(crate) auth: u64,
    pub(crate) auth_errors: u64,
    pub(crate) idle_kicks: u64,
    pub(crate) bytes_read: u64,
    pub(crate) bytes_written: u64,
    pub(crate) connections_open: u64,
    pub(crate) connections_total: u64,
    pub(crate) connections_refused: u64,
}

/// What `stats detail` counts, by the part of a key before its first colon.
#[derive(Debug, Default)]
pub(crate) struct Prefixes {
    pub(crate) on: bool,
    by_name: BTreeMap<Vec<u8>, PrefixCounts>,
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PrefixCounts {
    pub(crate) gets: u64,
    pub(crate) hits: u64,
    pub(crate) sets: u64,
    pub(crate) deletes: u64,
}

impl Cache {
    /// An empty cache of a server that starts at `now`, in Unix time.
    pub fn new(settings: Settings, now: Duration) -> Cache {
        let store = Store::new(&settings);
        Cache {
            settings,
            store,
            counts: Counts::default(),
            prefixes: Prefixes::default(),
            started: now,
            record: Vec::new(),
            sessions_begun: 0,
            untold: None,
            latest: Latest::default(),
        }
    }

    /// The commands executed so far, oldest first, if [`Settings::records`] is
    /// set. A command that was refused is not among them, nor is one whose
    /// value has not arrived whole. No more than 100,000 are kept; later ones
    /// are then not recorded.
    pub fn executed(&self) -> &[Executed] {
        &self.record
    }

    /// How many items there are, expired ones that nobody asked for included.
    pub fn items_len(&self) -> usize {
        self.store.len()
    }

    pub(crate) fn moment(&self, now: Duration) -> Moment {
        Moment::new(self.started, now)
    }

    pub(crate) fn begin_session(&mut self) -> u64 {
        self.sessions_begun += 1;
        self.sessions_begun
    }

    pub(crate) fn note_executed(&mut self, session: u64, line: &[u8]) {
        self.counts.commands += 1;
        if self.settings.records || self.untold.is_some() {
            self.keep_executed(session, line);
        }
    }

    #[cold]
    fn keep_executed(&mut self, session: u64, line: &[u8]) {
        let is_recorded = self.settings.records && self.record.len() < RECORD_LEN_MAX;
        self.latest = Latest { is_recorded, is_untold: self.untold.is_some() };
        let line = Bytes::copy_from_slice(line.get(..RECORD_LINE_LEN_MAX).unwrap_or(line));
        let executed = Executed { session, line, swallowed: false };
        if let Some(untold) = &mut self.untold {
            untold.push(executed.clone());
        }
        if is_recorded {
            self.record.push(executed);
        }
    }

    /// What comes next may not be executed.
    pub(crate) fn forget_latest(&mut self) {
        self.latest = Latest::default();
    }

    /// A fault has kept back the reply to the command that this session has just
    /// executed.
    pub(crate) fn note_swallowed(&mut self, session: u64) {
        let recorded = self.record.last_mut().filter(|_| self.latest.is_recorded);
        let untold = self.untold.as_mut().and_then(|untold| untold.last_mut()).filter(|_| self.latest.is_untold);
        for executed in [recorded, untold].into_iter().flatten().filter(|executed| executed.session == session) {
            executed.swallowed = true;
        }
    }

    /// From now on what is executed can be taken by [`Cache::take_untold`].
    pub(crate) fn tell(&mut self) {
        self.untold = Some(Vec::new());
    }

    /// What was executed since this was called last, no more than one call of a
    /// session works off.
    pub(crate) fn take_untold(&mut self) -> Vec<Executed> {
        self.untold.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// A new life after a crash: nothing is left but the record.
    pub(crate) fn restart(&mut self, now: Duration) {
        let record = std::mem::take(&mut self.record);
        let untold = self.untold.take();
        let sessions_begun = self.sessions_begun;
        *self = Cache { record, untold, sessions_begun, ..Cache::new(self.settings.clone(), now) };
    }

    /// `stats reset`: the counts begin anew, the items stay.
    pub(crate) fn reset_counts(&mut self) {
        self.counts = Counts {
            commands: self.counts.commands,
            connections_open: self.counts.connections_open,
            ..Counts::default()
        };
        self.store.counts = crate::store::StoreCounts::default();
        self.prefixes.by_name.clear();
    }
}

impl Executed {
    /// The words of the line.
    pub fn words(&self) -> impl Iterator<Item = &[u8]> {
        self.line.split(|byte| *byte == b' ').filter(|word| !word.is_empty())
    }

    /// The first word: `mg`, `ms`, `get`.
    pub fn verb(&self) -> Option<&[u8]> {
        self.words().next()
    }

    /// The second word, which in most commands is the key.
    pub fn key(&self) -> Option<&[u8]> {
        self.words().nth(1)
    }

    /// The opaque of a meta command, without its letter.
    pub fn opaque(&self) -> Option<&[u8]> {
        self.words().skip(2).find_map(|word| word.strip_prefix(b"O"))
    }
}

impl Prefixes {
    /// The counts to raise for `key`, if detail is on and the key has a prefix.
    pub(crate) fn of(&mut self, key: &[u8]) -> Option<&mut PrefixCounts> {
        if !self.on {
            return None;
        }
        let prefix = key.get(..key.iter().position(|byte| *byte == b':')?)?;
        if !self.by_name.contains_key(prefix) && self.by_name.len() >= PREFIXES_MAX {
            return None;
        }
        Some(self.by_name.entry(prefix.to_vec()).or_default())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &PrefixCounts)> {
        self.by_name.iter().map(|(name, counts)| (name.as_slice(), counts))
    }
}
