//! What leaves a room tenant, on its way to the hub's shards.

use std::{sync::Arc, time::Instant};

use homeroom_protocol::CloseCode;
use tokio::sync::Semaphore;
use tracing::Span;

use super::{
    fan_out::Handed,
    journey,
    shards::{ShardInput, Shards, WAITING_BYTES_MAX},
    writer::Outlet,
};
use crate::{
    hub::{Delivery, TenantLife},
    tenant::Tenant,
};

/// Where one life of a room tenant delivers. Each shard has so much room for it: a tenant whose audience
/// cannot keep up waits, and no other does.
#[derive(Debug, Clone)]
pub(crate) struct HubOutlet {
    shards: Shards,
    life: TenantLife,
    /// What it may have waiting at each shard, in bytes by weight.
    room: Arc<[Arc<Semaphore>]>,
}

impl HubOutlet {
    pub(crate) fn new(shards: Shards, life: TenantLife) -> Self {
        let room = || Arc::new(Semaphore::new(WAITING_BYTES_MAX as usize));
        Self {
            room: shards.inboxes().iter().map(|_| room()).collect(),
            shards,
            life,
        }
    }

    async fn send(&self, shard: usize, deliveries: Vec<Delivery>, followed: &[Span]) {
        if deliveries.is_empty() {
            return;
        }
        // The wait for room counts: it is part of what a listener waits for.
        let spans = followed.iter();
        let handed = Handed {
            at: Instant::now(),
            spans: spans
                .map(|request| journey::fan_out(request, shard, deliveries.len()))
                .collect(),
        };
        let weight: usize = deliveries.iter().map(Delivery::weight).sum();
        let weight = u32::try_from(weight).unwrap_or(u32::MAX);
        let share = Arc::clone(&self.room[shard])
            .acquire_many_owned(weight.min(WAITING_BYTES_MAX))
            .await
            .expect("the semaphore is never closed");
        let input = ShardInput::Release {
            life: self.life,
            deliveries,
            share,
            handed,
        };
        let _ = self.shards.inboxes()[shard].send(input).await;
    }
}

impl Outlet<Tenant> for HubOutlet {
    async fn deliver(&mut self, mut effects: Vec<Delivery>, followed: Vec<Span>) {
        let is_answer = |effect: &mut Delivery| matches!(effect, Delivery::Answer(_));
        let answers: Vec<_> = effects.extract_if(.., is_answer).collect();
        self.deliver_to_shards(effects, &followed).await;
        // After the shards were told: who hears that a membership ended finds it ended.
        for answer in answers {
            if let Delivery::Answer(answer) = answer {
                answer.leave();
            }
        }
    }

    async fn abandon(&mut self) {
        let after = Some(RECONNECT_AFTER_FAILURE_MS);
        self.shards
            .close_all(self.life, CloseCode::TenantRestarted, after, 0)
            .await;
    }
}

impl HubOutlet {
    async fn deliver_to_shards(&self, effects: Vec<Delivery>, followed: &[Span]) {
        let count = self.shards.inboxes().len();
        if count == 1 {
            return self.send(0, effects, followed).await;
        }
        let mut batches: Vec<Vec<Delivery>> = vec![Vec::new(); count];
        for effect in effects {
            match effect.receiver() {
                Some(connection) => batches[self.shards.index_of(connection)].push(effect),
                None => batches
                    .iter_mut()
                    .for_each(|batch| batch.push(effect.clone())),
            }
        }
        for (shard, batch) in batches.into_iter().enumerate() {
            self.send(shard, batch, followed).await;
        }
    }
}

/// After a failure clients give the tenant this long to be replayed.
const RECONNECT_AFTER_FAILURE_MS: u64 = 500;
