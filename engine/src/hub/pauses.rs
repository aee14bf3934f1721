//! Which rooms were paused lately: what a connection has queued of a room that it does not hear is found
//! by no seat of it.

use std::collections::VecDeque;

use homeroom_protocol::RoomNumber;

use super::TenantLife;

/// Most pauses that are remembered one by one. Whoever was not looked at since before them is treated as if
/// everything had been paused: a reply that is queued for so long is asked for again.
const RECENT_MAX: usize = 64;

/// The pauses of a shard, counted, and the newest of them.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    count: u64,
    /// The newest last; no room: all of the life's.
    recent: VecDeque<(TenantLife, Option<RoomNumber>)>,
}

impl Pauses {
    /// How many there were.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// One more.
    pub(super) fn add(&mut self, tenant: TenantLife, room: Option<RoomNumber>) {
        self.count += 1;
        self.recent.push_back((tenant, room));
        if self.recent.len() > RECENT_MAX {
            self.recent.pop_front();
        }
    }

    /// Whether a room was paused, or may have been, since there were `seen` of them.
    pub(super) fn hit(&self, seen: u64, tenant: TenantLife, room: RoomNumber) -> bool {
        self.hit_such(seen, tenant, |paused| {
            paused.is_none_or(|paused| paused == room)
        })
    }

    /// The same for any room of the tenant.
    pub(super) fn hit_any(&self, seen: u64, tenant: TenantLife) -> bool {
        self.hit_such(seen, tenant, |_| true)
    }

    fn hit_such(
        &self,
        seen: u64,
        tenant: TenantLife,
        such: impl Fn(Option<RoomNumber>) -> bool,
    ) -> bool {
        let forgotten = self.count - self.recent.len() as u64;
        let newer = usize::try_from(self.count - seen).unwrap_or(usize::MAX);
        let mut newer = self.recent.iter().rev().take(newer);
        seen < forgotten || newer.any(|(life, paused)| *life == tenant && such(*paused))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: TenantLife = TenantLife(1);

    #[test]
    fn a_pause_hits_its_room_its_tenant_and_whoever_looked_before_it() {
        let mut pauses = Pauses::default();
        pauses.add(LIFE, Some(RoomNumber(7)));
        assert!(pauses.hit(0, LIFE, RoomNumber(7)));
        assert!(!pauses.hit(0, LIFE, RoomNumber(8)));
        assert!(!pauses.hit(0, TenantLife(2), RoomNumber(7)));
        assert!(!pauses.hit(1, LIFE, RoomNumber(7)));
        pauses.add(LIFE, None);
        assert!(pauses.hit(1, LIFE, RoomNumber(8)));
        assert!(!pauses.hit(1, TenantLife(2), RoomNumber(8)));
    }

    #[test]
    fn of_more_pauses_than_are_remembered_every_room_may_have_been_hit() {
        let mut pauses = Pauses::default();
        for _ in 0..=RECENT_MAX {
            pauses.add(LIFE, Some(RoomNumber(7)));
        }
        assert_eq!(pauses.recent.len(), RECENT_MAX);
        assert!(pauses.hit(0, TenantLife(2), RoomNumber(8)));
        assert!(!pauses.hit(1, TenantLife(2), RoomNumber(8)));
    }
}
