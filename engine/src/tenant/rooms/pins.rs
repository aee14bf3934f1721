//! The pinned messages of one room.

use std::collections::BTreeSet;

use homeroom_protocol::Seq;

use crate::tenant::records::concern::MessageFact;

/// Which messages are pinned; never one that was deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pins(BTreeSet<Seq>);

/// Their places, from low to high.
pub(crate) type SavedPins = Vec<u64>;

impl Pins {
    pub(crate) fn has(&self, target: Seq) -> bool {
        self.0.contains(&target)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn apply(&mut self, fact: MessageFact<'_>) {
        match fact {
            MessageFact::Pinned { target, on: true } => _ = self.0.insert(target),
            MessageFact::Pinned { target, on: false } | MessageFact::Deleted { target, .. } => {
                self.0.remove(&target);
            }
            MessageFact::Said(_) | MessageFact::Edited { .. } | MessageFact::Reacted { .. } => {}
        }
    }

    /// Nothing below `floor` is kept.
    pub(crate) fn cut(&mut self, floor: Seq) {
        self.0 = self.0.split_off(&floor);
    }

    pub(crate) fn save(&self) -> SavedPins {
        self.0.iter().map(|seq| seq.0).collect()
    }

    /// `None`: it was not saved like this.
    #[expect(
        clippy::unnecessary_wraps,
        reason = "all parts of a room are restored alike"
    )]
    pub(crate) fn restore(saved: SavedPins) -> Option<Self> {
        Some(Self(saved.into_iter().map(Seq).collect()))
    }
}
