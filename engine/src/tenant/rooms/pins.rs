//! The pinned messages of one room.

use std::collections::BTreeSet;

use homeroom_protocol::{EventBody, Seq};

use crate::{log::LogPosition, tenant::records::event::Event};

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

    pub(crate) fn apply(&mut self, _at: LogPosition, event: &Event) {
        if let EventBody::PinSet { target, on: true } = event.body {
            self.0.insert(target);
        } else if let EventBody::PinSet { target, .. } | EventBody::MessageDeleted { target, .. } =
            event.body
        {
            self.0.remove(&target);
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
