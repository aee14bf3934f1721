//! Which deleted messages of a room a moderator took back. That a message is deleted at all follows from
//! its not being among those that are live.

use homeroom_protocol::Seq;

use super::seqs::Seqs;
use crate::tenant::records::concern::MessageFact;

/// The places of messages that were deleted by somebody else than who had said them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Deletions(Seqs);

/// As a part of its room's section.
pub(crate) type SavedDeletions = Seqs;

impl Deletions {
    /// Whether it was a moderator who deleted the message at this place.
    pub(crate) fn was_by_moderator(&self, target: Seq) -> bool {
        self.0.contains(target)
    }

    pub(crate) fn apply(&mut self, fact: MessageFact<'_>) {
        if let MessageFact::Deleted {
            target,
            by_moderator: true,
        } = fact
        {
            self.0.insert(target);
        }
    }

    /// Nothing below `floor` is kept.
    pub(crate) fn cut(&mut self, floor: Seq) {
        self.0.cut(floor);
    }

    pub(crate) fn save(&self) -> SavedDeletions {
        self.0.clone()
    }

    pub(crate) const fn restore(saved: SavedDeletions) -> Self {
        Self(saved)
    }
}
