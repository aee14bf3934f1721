//! Writing down when people were there: those who went, soon; those who are there, now and then and when
//! the tenant ends. So a kill loses at most the time since the last round, and an end in order nothing.
//!
//! Nobody who is invisible is written down while they are: when they were seen stands still.

use homeroom_protocol::{Presence, UserId};

use super::seen::SEEN_PER_RECORD_MAX;
use crate::{
    domain::{Moment, Outcome, Storage},
    tenant::{deadline::Due, records::event::TenantChange, state::Tenant},
};

impl Tenant {
    /// Writes down who went, as many as one record takes. Nothing is written while the disk is full: when
    /// somebody was seen is worth less than what else there is to say.
    pub(crate) fn write_seen(&mut self, moment: Moment, out: &mut Outcome<Self>) {
        self.seen.begin();
        match moment.storage {
            Storage::Open => {
                self.write_next(moment, out);
                self.plan_seen();
            }
            Storage::Full | Storage::Spent => {
                let at = self
                    .clock
                    .plus_ms(self.settings.storage_full_retry_after_ms);
                if self.seen.plan(at) {
                    self.deadlines.set(at, Due::Seen);
                }
            }
        }
    }

    /// The last that is written in a life that ends in order: everybody who is there was there until now.
    pub(crate) fn write_all_seen(&mut self, moment: Moment, out: &mut Outcome<Self>) {
        if self.settings.seen_round_ms == 0 || moment.storage != Storage::Open {
            return;
        }
        for user in self.people.page(None, usize::MAX) {
            self.see(&user);
        }
        while self.write_next(moment, out) {}
    }

    /// The next of those who are there have been seen, as many as one record takes.
    pub(crate) fn go_round(&mut self) {
        let after = self.seen.take_round();
        let there = self.people.page(after.as_ref(), SEEN_PER_RECORD_MAX);
        for user in &there {
            self.see(user);
        }
        self.plan_seen();
        let has_more = there.len() == SEEN_PER_RECORD_MAX;
        let wait_ms = if has_more {
            self.settings.seen_tick_ms
        } else {
            self.settings.seen_round_ms
        };
        // When nobody is there any more, the next to come begins anew.
        if has_more || after.is_some() || !there.is_empty() {
            let next = there.into_iter().next_back().filter(|_| has_more);
            self.seen.plan_round(next);
            self.deadlines.set(self.clock.plus_ms(wait_ms), Due::Round);
        }
    }

    /// Somebody came.
    pub(crate) fn plan_rounds(&mut self) {
        if self.settings.seen_round_ms > 0 && self.seen.begin_rounds() {
            let at = self.clock.plus_ms(self.settings.seen_round_ms);
            self.deadlines.set(at, Due::Round);
        }
    }

    pub(crate) fn plan_seen(&mut self) {
        let at = self.clock.plus_ms(self.settings.seen_tick_ms);
        if self.seen.plan(at) {
            self.deadlines.set(at, Due::Seen);
        }
    }

    fn see(&mut self, user: &UserId) {
        if self.presence_of(user).presence != Presence::Offline {
            self.seen.went(user, self.clock);
        }
    }

    /// Whether there was anything to write.
    fn write_next(&mut self, moment: Moment, out: &mut Outcome<Self>) -> bool {
        let users = self.seen.next_record();
        let is_some = !users.is_empty();
        if is_some {
            self.commit_change(moment, None, TenantChange::Seen { users }, out);
        }
        is_some
    }
}
