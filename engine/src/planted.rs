//! Faults that are planted on purpose: the simulator shows by them that it would find their like.
//!
//! Without the feature `planted-faults`, which no release has, [`fault`] is always false and nothing of this is
//! left in the program.

macro_rules! faults {
    ($($(#[doc = $doc:literal])+ $fault:ident = $name:literal,)+) => {
        /// What can be planted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault {
            $($(#[doc = $doc])+ $fault,)+
        }

        impl Fault {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$fault,)+];

            /// What it is called on a command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$fault => $name,)+
                }
            }
        }
    };
}

faults! {
    /// A commit counts as durable without its sync.
    SkippedSync = "skipped-sync",
    /// A failed sync of a commit counts as one that worked.
    SyncErrorPassedOver = "sync-error-passed-over",
    /// What a decision led to leaves before the log has it.
    EffectsBeforeCommit = "effects-before-commit",
    /// What waits for a position leaves one position early.
    HeldOneShort = "held-one-short",
    /// Waking leaves out the last record, whose seq is then used again.
    ReplayStopsEarly = "replay-stops-early",
    /// A snapshot is written before all it saw is durable.
    SnapshotAheadOfLog = "snapshot-ahead-of-log",
    /// A snapshot leaves out a section that changed.
    DirtySectionMissed = "dirty-section-missed",
    /// A snapshot holds no idempotency keys.
    KeysForgottenAtSnapshot = "keys-forgotten-at-snapshot",
    /// No key is ever found again.
    RetryDoubled = "retry-doubled",
    /// A key that is used for something else gets the answer of before.
    ConflictUnseen = "conflict-unseen",
    /// A snapshot holds no bans and mutes.
    BansForgottenAtSnapshot = "bans-forgotten-at-snapshot",
    /// A revoked connection is forgotten, and not closed.
    RevocationLost = "revocation-lost",
    /// Who leaves a room, or is removed, goes on to hear it.
    UnlistenIgnored = "unlisten-ignored",
    /// A room goes on while it is decided anew who may see it.
    PauseIgnored = "pause-ignored",
    /// Whoever typed and is gone types on.
    TypingNotCleared = "typing-not-cleared",
    /// Nobody is told that a user went offline.
    PresenceNotCleared = "presence-not-cleared",
    /// A full socket loses the events that should wait for it.
    OutboxDropsEvents = "outbox-drops-events",
    /// Rooms of the same number are one audience, whichever tenant they are of.
    OtherTenantsRoom = "other-tenants-room",
    /// Who resumes is given events from one after the next on.
    ResumeOneLate = "resume-one-late",
    /// A page for who is behind is read from one after the next on.
    PageBeginsLate = "page-begins-late",
    /// A room takes one member more than it may.
    MembersOneOver = "members-one-over",
    /// Of what waits behind a look-up, one request is lost.
    LaneForgetsInput = "lane-forgets-input",
    /// Pages show what was deleted.
    DeletedStillShown = "deleted-still-shown",
    /// Pages show what was said before the edit.
    EditNotShown = "edit-not-shown",
    /// A read mark changes nothing of what is unread.
    MarkNotCounted = "mark-not-counted",
    /// A room that keeps nothing goes on under its old epoch.
    EpochKeptAtWake = "epoch-kept-at-wake",
    /// The time of an event follows a clock that was set back.
    TimeFollowsClock = "time-follows-clock",
}

/// Whether this fault is planted on this thread.
#[cfg(not(feature = "planted-faults"))]
#[must_use]
pub const fn fault(_: Fault) -> bool {
    false
}

#[cfg(feature = "planted-faults")]
pub use planting::{fault, plant};

#[cfg(feature = "planted-faults")]
mod planting {
    use std::cell::Cell;

    use super::Fault;

    thread_local! {
        static PLANTED: Cell<Option<Fault>> = const { Cell::new(None) };
    }

    /// Whether this fault is planted on this thread.
    #[must_use]
    pub fn fault(fault: Fault) -> bool {
        PLANTED.get() == Some(fault)
    }

    /// Plants a fault on this thread, in the place of the one before, or none.
    pub fn plant(fault: Option<Fault>) {
        PLANTED.set(fault);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_different_and_nothing_is_planted_by_itself() {
        let names: std::collections::BTreeSet<_> =
            Fault::ALL.iter().map(|fault| fault.name()).collect();
        assert_eq!(names.len(), Fault::ALL.len());
        assert!(!Fault::ALL.iter().any(|planted| fault(*planted)));
    }
}
