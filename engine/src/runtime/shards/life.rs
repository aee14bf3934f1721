//! One life of a tenant at one worker: what it released waits here, is collected by its shard, and written.

use std::collections::VecDeque;

use tokio::sync::{OwnedSemaphorePermit, mpsc::error::TrySendError};

use super::{DELIVERIES_PER_TURN, TenantInbox, WeakInbox};
use crate::{
    hub::{Delivery, Need, Shard, TenantLife},
    metrics::Metrics,
    runtime::{
        clock,
        fan_out::{FanOut, Handed},
        writer::Command,
    },
    tenant::{Disconnection, Input},
};

/// What one life of a tenant has at a worker.
pub(super) struct Life {
    pub(super) shard: Shard,
    /// Without keeping it awake.
    tenant: WeakInbox,
    /// Released, and not yet taken by the shard.
    pub(super) waiting: VecDeque<Laid>,
    pub(super) needs: Vec<Need>,
    /// Needs for which the tenant had no room; at most a few per listener.
    unsent: VecDeque<Need>,
    fan_out: FanOut,
    /// Bytes and connections, as last told.
    queued: (u64, u64),
    connections: u64,
    /// Whether it is among those that wait for their turn.
    pub(super) listed: bool,
    /// Whether it is among those whose tenant had no room.
    pub(super) unheard: bool,
}

/// Deliveries that wait for their shard, and what they hold until it has them.
pub(super) struct Laid {
    deliveries: std::vec::IntoIter<Delivery>,
    pub(super) handed: Option<Handed>,
    _share: OwnedSemaphorePermit,
}

impl Laid {
    pub(super) fn new(
        deliveries: Vec<Delivery>,
        share: OwnedSemaphorePermit,
        handed: Option<Handed>,
    ) -> Self {
        Self {
            deliveries: deliveries.into_iter(),
            handed,
            _share: share,
        }
    }
}

impl Life {
    pub(super) fn new(outbox_bytes_max: usize, tenant: WeakInbox) -> Self {
        Self {
            shard: Shard::new(outbox_bytes_max),
            tenant,
            waiting: VecDeque::new(),
            needs: Vec::new(),
            unsent: VecDeque::new(),
            fan_out: FanOut::default(),
            queued: (0, 0),
            connections: 0,
            listed: false,
            unheard: false,
        }
    }

    /// Takes some of what waits, writes for some listeners; whether there is more to do.
    pub(super) fn turn(&mut self, life: TenantLife, metrics: &Metrics) -> bool {
        self.collect(life);
        let more = self.shard.end_turn(clock::now(), &mut self.needs).more;
        self.tell(metrics);
        self.fan_out.turned(self.shard.turns(), more, metrics);
        more || !self.waiting.is_empty()
    }

    /// Hands the shard what waits, as far as it has room, and not all at once.
    fn collect(&mut self, life: TenantLife) {
        for _ in 0..DELIVERIES_PER_TURN {
            let Some(first) = self.waiting.front_mut() else {
                return;
            };
            if self.shard.is_full() {
                return;
            }
            if let Some(delivery) = first.deliveries.next() {
                self.shard.deliver(life, delivery);
            }
            if first.deliveries.as_slice().is_empty() {
                let handed = self.waiting.pop_front().and_then(|laid| laid.handed);
                if let Some(handed) = handed {
                    self.fan_out.collected(handed);
                }
            }
        }
    }

    /// Offers the tenant what the shard needs, in order; whether it had no room for some of it.
    pub(super) fn ask(&mut self) -> bool {
        self.unsent.extend(self.needs.drain(..));
        if self.unsent.is_empty() {
            return false;
        }
        let tenant = self.tenant.upgrade();
        while let Some(need) = self.unsent.pop_front() {
            match tenant.as_ref().map(TenantInbox::try_reserve) {
                Some(Ok(place)) => place.send(Command::Input(input_of(need))),
                Some(Err(TrySendError::Full(()))) => {
                    self.unsent.push_front(need);
                    return true;
                }
                // A tenant that is gone needs nothing.
                Some(Err(TrySendError::Closed(()))) | None => {}
            }
        }
        false
    }

    pub(super) fn tick(&mut self, metrics: &Metrics) {
        self.shard.tick(clock::now(), &mut self.needs);
        let queued = (
            self.shard.outbox_bytes() as u64,
            self.shard.stalled() as u64,
        );
        metrics.queued(self.queued, queued);
        self.queued = queued;
        self.tell(metrics);
    }

    fn tell(&mut self, metrics: &Metrics) {
        let tally = self.shard.take_tally();
        self.connections += tally.sockets_attached + tally.sessions_attached;
        self.connections -= tally.sockets_ended + tally.sessions_ended;
        metrics.take_in(&tally);
    }

    /// Whether a turn of it would do anything.
    pub(super) fn has_work(&self) -> bool {
        self.shard.has_work()
            || !(self.waiting.is_empty() && self.needs.is_empty() && self.unsent.is_empty())
    }

    /// Nobody is connected any more, and nothing is left to say.
    pub(super) fn is_over(&self) -> bool {
        self.connections == 0 && !self.listed && self.needs.is_empty() && self.unsent.is_empty()
    }
}

fn input_of(need: Need) -> Input {
    match need {
        Need::Page {
            connection,
            room,
            generation,
            from,
            ..
        } => Input::Page {
            connection,
            room,
            generation,
            from,
        },
        Need::Ended { connection, .. } => Input::Disconnect {
            connection,
            how: Disconnection::Vanished,
        },
    }
}
