//! The world of a run: clients, network, host, disk and clock, moved along step by step.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use homeroom_client::Moment;
use homeroom_engine::{
    log::TenantId,
    tenant::{Answered, Asker, Seed, Settings},
};
use homeroom_protocol::{
    ConnectionId, EventBody, IdempotencyKey, RoomId, RoomNumber, Seq, TenantName, Timestamp, UserId,
};

use crate::{
    broken::{Broken, Checked},
    client::Client,
    dice::Dice,
    disk::SimulatedDisk,
    host::Host,
    ledger::Ledger,
    life::{Env, Home, folder_of},
    link::Link,
    people::People,
    plan::{Plan, Planned, Shape, USERS},
};

/// When every world begins.
const DAWN: u64 = 1_000_000_000_000;
/// Rounds after which something that should come to its end has not.
pub(crate) const ROUNDS_MAX: usize = 400;

/// Something said by a user or a back end under a key.
#[derive(Debug, Clone)]
pub(crate) struct Spoken {
    pub(crate) tenant: usize,
    pub(crate) user: UserId,
    pub(crate) room: RoomId,
    pub(crate) key: IdempotencyKey,
    pub(crate) draft: homeroom_protocol::Draft,
    /// Where it was said to be.
    pub(crate) acked: Option<homeroom_client::Sent>,
    /// How often a client was asked to say it.
    pub(crate) asked: u32,
    /// It was said that it is not done, and never asked again.
    pub(crate) refused: bool,
    /// Its key had been used for this one, which was acknowledged.
    pub(crate) conflicts_with: Option<usize>,
}

/// A place for the answer to a back end.
#[derive(Debug, Clone, Default)]
pub(crate) struct AnswerBox(Arc<Mutex<Option<Answered>>>);

impl Asker for AnswerBox {
    fn answer(&self, answer: Answered) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
    }
}

impl AnswerBox {
    pub(crate) fn take(&self) -> Option<Answered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What a back end published, until it is answered.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) tenant: usize,
    pub(crate) text: String,
    pub(crate) answer: AnswerBox,
}

/// The world.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) shape: Shape,
    /// Milliseconds since it began.
    pub(crate) now: u64,
    /// How far the host's clock was set back.
    pub(crate) behind_ms: u64,
    pub(crate) disk: SimulatedDisk,
    pub(crate) host: Host,
    pub(crate) homes: Vec<Home>,
    pub(crate) clients: Vec<Client>,
    pub(crate) links: BTreeMap<ConnectionId, Link>,
    pub(crate) ledgers: Vec<Ledger>,
    pub(crate) people: Vec<People>,
    pub(crate) spoken: Vec<Spoken>,
    pub(crate) calls: Vec<Call>,
    pub(crate) published: usize,
    pub(crate) keys: u64,
    /// What was heard of rooms that keep nothing.
    pub(crate) passed: BTreeMap<(usize, u64, Seq), (UserId, EventBody)>,
    /// What the host had handed to the log of each tenant when it died.
    pub(crate) in_flight: Vec<Vec<Bytes>>,
    pub(crate) slow: bool,
    pub(crate) blind: bool,
    pub(crate) full: bool,
    /// A fault of the disk is planned, so that opening may fail.
    pub(crate) faulty: bool,
    /// Everything that happened, as one number.
    pub(crate) trace: u64,
    /// The same in words, where somebody wants to read it.
    pub(crate) notes: Option<Vec<String>>,
}

impl World {
    pub(crate) fn new(plan: &Plan) -> Self {
        let shape = plan.shape.clone();
        let dice = Dice::new(plan.seed ^ 0x5eed);
        let env = Env {
            now: Timestamp(DAWN),
            dice,
        };
        let home = |tenant| home(tenant, &shape);
        let homes: Vec<Home> = (0..shape.tenants).map(home).collect();
        let client = |index: usize| {
            let tenant = index % shape.tenants;
            let name = homes[tenant].seed.tenant.clone();
            let user = USERS[(index / shape.tenants) % shape.users];
            let user = UserId::new(user).expect("a short name");
            Client::new(index, (tenant, name), user, (plan.seed, Moment(0)))
        };
        Self {
            now: 0,
            behind_ms: 0,
            disk: SimulatedDisk::default(),
            host: Host::new(&shape, env),
            clients: (0..shape.clients).map(client).collect(),
            homes,
            links: BTreeMap::new(),
            ledgers: (0..shape.tenants)
                .map(|_| Ledger::new(shape.members_max))
                .collect(),
            people: (0..shape.tenants).map(|_| People::default()).collect(),
            spoken: Vec::new(),
            calls: Vec::new(),
            published: 0,
            keys: 0,
            passed: BTreeMap::new(),
            in_flight: vec![Vec::new(); shape.tenants],
            slow: false,
            blind: false,
            full: false,
            faulty: false,
            trace: 0xcbf2_9ce4_8422_2325,
            notes: None,
            shape,
        }
    }

    /// Keeps what happens in words from now on.
    pub(crate) fn take_notes(&mut self) -> Vec<String> {
        self.notes.replace(Vec::new()).unwrap_or_default()
    }

    pub(crate) fn note(&mut self, note: impl FnOnce() -> String) {
        if let Some(notes) = &mut self.notes {
            notes.push(format!("{:6} ms  {}", self.now, note()));
        }
    }

    /// Everything that happened, as one number.
    pub(crate) const fn trace(&self) -> u64 {
        self.trace
    }

    pub(crate) const fn moment(&self) -> Moment {
        Moment(self.now)
    }

    /// The host's clock.
    pub(crate) const fn host_now(&self) -> Timestamp {
        Timestamp(DAWN + self.now - self.behind_ms)
    }

    /// A step of the plan, and what follows from it at once.
    pub(crate) fn step(&mut self, planned: &Planned) -> Checked {
        let mut dice = Dice::new(planned.salt);
        self.act_out(&planned.step, &mut dice)?;
        if planned.salt == 0 {
            return Ok(());
        }
        for _ in 0..1 + dice.below(4) {
            self.pass(dice.below(40));
            self.round(&mut |part, of| dice.chance(part, of))?;
        }
        Ok(())
    }

    /// Time passes, and nothing happens meanwhile.
    pub(crate) fn pass(&mut self, ms: u64) {
        self.now += ms;
        self.host.env.now = self.host_now();
    }

    /// Time passes, and everything happens that is due.
    pub(crate) fn live_through(&mut self, ms: u64) -> Checked {
        let end = self.now + ms;
        while self.now < end {
            self.pass((end - self.now).min(250));
            self.drain()?;
        }
        Ok(())
    }

    /// Everything that can happen now happens.
    pub(crate) fn drain(&mut self) -> Checked {
        for _ in 0..ROUNDS_MAX {
            if !self.round(&mut |_, _| true)? {
                return Ok(());
            }
        }
        Err(Broken::new(
            "everything comes to its end",
            format!("still at work after {ROUNDS_MAX} rounds"),
        ))
    }

    /// Each part of the world has a chance to go on; whether any did.
    fn round(&mut self, chance: &mut dyn FnMut(u64, u64) -> bool) -> Result<bool, Broken> {
        let mut worked = false;
        for client in 0..self.clients.len() {
            if chance(3, 4) {
                worked |= self.client_works(client)?;
            }
        }
        let connections: Vec<_> = self.links.keys().copied().collect();
        for connection in connections {
            if chance(3, 4) {
                worked |= self.host_reads(connection)?;
            }
        }
        for tenant in 0..self.shape.tenants {
            worked |= self.tenant_works(tenant, chance)?;
        }
        worked |= self.hub_works(chance)?;
        if self.disk.is_dead() {
            self.host_dies();
            self.disk.process_ended();
        }
        Ok(worked)
    }

    /// A client of this tenant, by its number.
    pub(crate) fn number_of(&self, tenant: usize, room: &RoomId) -> Option<RoomNumber> {
        self.ledgers[tenant].by_id(room).map(|(number, _)| number)
    }

    /// The message so many from the end of a room.
    pub(crate) fn target(&self, tenant: usize, room: &RoomId, back: usize) -> Option<Seq> {
        let (_, room) = self.ledgers[tenant].by_id(room)?;
        room.messages.keys().rev().nth(back).copied()
    }
}

fn home(tenant: usize, shape: &Shape) -> Home {
    let settings = Settings {
        members_per_room_max: shape.members_max,
        keys_in_memory_max: shape.keys_max.0,
        keys_whole_max: shape.keys_max.1,
        presence_grace_ms: 2_000,
        typing_ttl_ms: 5_000,
        ..Settings::default().without_budgets()
    };
    let number = u8::try_from(tenant).expect("few tenants");
    Home {
        id: TenantId([number + 1; 16]),
        seed: Seed {
            tenant: TenantName::new(format!("school-{tenant}")).expect("a short name"),
            hash_key: [number + 42; 16],
            settings,
        },
        folder: folder_of(tenant),
        segment_bytes: shape.segment_bytes,
        snapshot_every: shape.snapshot_every,
        sleep_after_ms: 1_000,
    }
}

/// FNV-1a.
pub(crate) fn hash(before: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(before, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
