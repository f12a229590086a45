use alloc::boxed::Box;

use crate::{Ttl, flags::Hints};

/// The operands that a command rarely has. They lie behind one pointer, so that a command without them, which is most, is small
/// and costs little to move; the first of them costs an allocation.
#[derive(Debug, Clone, Default)]
pub(super) struct Rare(Option<Box<Operands>>);

/// Those of all commands; each uses some of them.
#[derive(Debug, Clone)]
pub(super) struct Operands {
    pub(super) ttl: Option<Ttl>,
    pub(super) vivify: Option<Ttl>,
    pub(super) recache: Option<Ttl>,
    pub(super) client_flags: Option<u32>,
    pub(super) compare_cas: Option<u64>,
    pub(super) override_cas: Option<u64>,
    pub(super) hints: Hints,
}

static NONE: Operands = Operands::none();

impl Operands {
    const fn none() -> Operands {
        Operands {
            ttl: None,
            vivify: None,
            recache: None,
            client_flags: None,
            compare_cas: None,
            override_cas: None,
            hints: Hints::none(),
        }
    }
}

impl Rare {
    pub(super) const fn none() -> Rare {
        Rare(None)
    }

    /// Whether there is none at all.
    #[inline]
    pub(super) fn is_none(&self) -> bool {
        self.0.is_none()
    }

    #[inline]
    pub(super) fn get(&self) -> &Operands {
        self.0.as_deref().unwrap_or(&NONE)
    }

    /// To be changed, where there is one.
    #[inline]
    pub(super) fn get_mut(&mut self) -> Option<&mut Operands> {
        self.0.as_deref_mut()
    }

    /// To add one.
    pub(super) fn add(&mut self) -> &mut Operands {
        self.0.get_or_insert_with(|| Box::new(Operands::none()))
    }
}
