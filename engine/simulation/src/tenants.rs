//! The tenants of the host: they wake, decide, commit, fail, sleep, and die with the process.

use bytes::Bytes;
use homeroom_engine::{
    log::{OpenError, ReadError},
    runtime::wake::WakeError,
    tenant::{Input, Whom},
};
use homeroom_protocol::{Timestamp, UserId};

use crate::{
    broken::{Broken, Checked, ensure},
    dice::Dice,
    ledger::Turn,
    life::Life,
    link::Link,
    people::People,
    world::{ROUNDS_MAX, World, hash},
};

impl World {
    /// Wakes a tenant, if it sleeps; whether it is awake.
    pub(crate) fn awake(&mut self, tenant: usize) -> Result<bool, Broken> {
        if self.host.lives[tenant].is_some() {
            return Ok(true);
        }
        let id = self.host.next_life();
        let dice = Dice::new(self.host.env.dice.next());
        let how = (self.host_now(), dice, self.host.suspect[tenant]);
        let life = match Life::wake(&self.homes[tenant], id, &self.disk, how) {
            Ok(life) => life,
            Err(error) if (self.faulty || self.full) && is_failure(&error) => return Ok(false),
            Err(error) => return Err(Broken::new("what only crashed opens again", error)),
        };
        self.host.suspect[tenant] = false;
        let records = life.records();
        let records = records.map_err(|error| Broken::new("the log is read", error))?;
        self.compare(tenant, &records)?;
        self.people[tenant] = People::default();
        self.host.lives[tenant] = Some(life);
        Ok(true)
    }

    /// The log holds what was said to be durable, and at most what was on its way besides.
    pub(crate) fn compare(&mut self, tenant: usize, records: &[Bytes]) -> Checked {
        let known = &self.ledgers[tenant].records;
        let more = records.strip_prefix(known.as_slice());
        let Some(more) = more else {
            let (kept, found) = (known.len(), records.len());
            let seen = format!("tenant {tenant} had {kept} records, and has {found} or others");
            return Err(Broken::new("acknowledged means kept", seen));
        };
        let in_flight = std::mem::take(&mut self.in_flight[tenant]);
        ensure!(
            more.is_empty() || more == in_flight,
            "a commit is kept whole or not at all",
            "{} of {} records",
            more.len(),
            in_flight.len()
        );
        let more = more.to_vec();
        self.commit(tenant, &more)
    }

    /// These records are durable.
    pub(crate) fn commit(&mut self, tenant: usize, records: &[Bytes]) -> Checked {
        if records.is_empty() {
            return Ok(());
        }
        // What was decided before them has been applied: removals act at once.
        self.host.hear_all();
        self.note(|| format!("tenant {tenant} commits {} records", records.len()));
        for turn in self.ledgers[tenant].take(records)? {
            match turn {
                Turn::Lost(room, user) => {
                    self.people[tenant].left(&user, room);
                    self.links_of(tenant, &user).for_each(|link| link.bar(room));
                }
                Turn::Gained(room, user) => {
                    self.links_of(tenant, &user)
                        .for_each(|link| link.lift(room));
                }
            }
        }
        self.trace = records
            .iter()
            .fold(self.trace, |trace, bytes| hash(trace, bytes));
        Ok(())
    }

    pub(crate) fn links_of<'a>(
        &'a mut self,
        tenant: usize,
        user: &'a UserId,
    ) -> impl Iterator<Item = &'a mut Link> {
        let links = self.links.values_mut();
        links.filter(move |link| link.tenant == tenant && link.user == *user)
    }

    /// A tenant decides, commits, looks up and saves.
    pub(crate) fn tenant_works(
        &mut self,
        tenant: usize,
        chance: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<bool, Broken> {
        if self.host.lives[tenant].is_none() {
            return Ok(false);
        }
        let mut worked = self.tenant_decides(tenant, chance)?;
        let life = self.host.lives[tenant].as_mut().expect("just seen");
        let env = &mut self.host.env;
        worked |= life.hand_over(env);
        if life.has_handed() && (!self.slow || chance(1, 8)) && chance(1, 2) {
            let records = life.write();
            self.commit(tenant, &records)?;
            if self.disk.is_dead() {
                // So is the process: it says no more.
                return Ok(true);
            }
            worked = true;
        }
        let (slow, blind) = (self.slow, self.blind);
        let life = self.host.lives[tenant].as_mut().expect("just seen");
        let mut failed = false;
        if (!slow || chance(1, 4)) && chance(2, 3) {
            match life.hear_log() {
                Ok(heard) => worked |= heard,
                Err(_) => failed = true,
            }
        }
        let env = &mut self.host.env;
        if !failed && (!slow || chance(1, 8)) && chance(1, 2) {
            worked |= life.look_up(env, blind);
        }
        life.begin_due_snapshot();
        worked |= chance(1, 2) && life.save();
        if self.disk.is_dead() {
            return Ok(true);
        }
        failed |= life.keep_house(env).is_err();
        if failed {
            self.fail(tenant);
            return Ok(true);
        }
        self.release(tenant);
        let now = self.host_now();
        let life = self.host.lives[tenant].as_mut().expect("just seen");
        if life.is_tired(now) {
            self.put_to_bed(tenant)?;
        }
        Ok(worked)
    }

    pub(crate) fn tenant_decides(
        &mut self,
        tenant: usize,
        chance: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<bool, Broken> {
        let mut worked = false;
        loop {
            let life = self.host.lives[tenant]
                .as_mut()
                .expect("only the awake work");
            let Some(input) = life.decide(&mut self.host.env) else {
                break;
            };
            worked = true;
            self.decided(tenant, &input);
            if !chance(3, 4) {
                break;
            }
        }
        // What is due may wait a moment, as every task may.
        for _ in 0..8 {
            if !chance(1, 2) {
                break;
            }
            let life = self.host.lives[tenant]
                .as_mut()
                .expect("only the awake work");
            if !life.tick(&mut self.host.env) {
                break;
            }
            worked = true;
        }
        self.release(tenant);
        Ok(worked)
    }

    /// The model hears of what was decided.
    pub(crate) fn decided(&mut self, tenant: usize, input: &Input) {
        let (now, ttl) = (
            self.host_now(),
            self.homes[tenant].seed.settings.typing_ttl_ms,
        );
        let revoked = match input {
            Input::Revoke {
                whom: Whom::User(user),
                before,
            } => {
                let theirs = self.people[tenant].connections_of(user).into_iter();
                theirs.filter(|it| it < before).collect()
            }
            _ => Vec::new(),
        };
        let life = self.host.lives[tenant].as_ref();
        // What waits behind a look-up is decided nobody knows when.
        let since = if life.is_some_and(|life| life.core.undecided() == 0) {
            now
        } else {
            Timestamp(u64::MAX)
        };
        self.people[tenant].take(input, (since, now.plus_ms(ttl)));
        if revoked.is_empty() {
            return;
        }
        self.release(tenant);
        self.host.hear_all();
        for connection in revoked {
            if let Some(link) = self.links.get_mut(&connection) {
                link.revoked = Some(link.wire.taken());
            }
        }
    }

    pub(crate) fn release(&mut self, tenant: usize) {
        let life = self.host.lives[tenant]
            .as_mut()
            .expect("only the awake work");
        let (id, effects) = (life.id, life.take_effects());
        if !effects.is_empty() {
            self.host.release(id, effects);
        }
    }

    /// A life ends by a failure of its storage: its state is dropped.
    pub(crate) fn fail(&mut self, tenant: usize) {
        let Some(life) = self.host.lives[tenant].take() else {
            return;
        };
        self.in_flight[tenant] = life.in_flight();
        self.host.suspect[tenant] = true;
        self.host.abandon(life.id);
        self.note(|| format!("tenant {tenant} fails"));
    }

    /// A life ends in order.
    pub(crate) fn put_to_bed(&mut self, tenant: usize) -> Checked {
        let mut ended = false;
        for _ in 0..ROUNDS_MAX {
            let Some(life) = self.host.lives[tenant].as_mut() else {
                return Ok(());
            };
            let env = &mut self.host.env;
            if life.core.is_settled() {
                if ended {
                    break;
                }
                ended = true;
                life.core.end(env);
            }
            life.hand_over(env);
            let records = life.write();
            self.commit(tenant, &records)?;
            if self.disk.is_dead() {
                return Ok(());
            }
            let life = self.host.lives[tenant].as_mut().expect("just seen");
            if life.hear_log().is_err() {
                self.fail(tenant);
                return Ok(());
            }
            let env = &mut self.host.env;
            while life.look_up(env, self.blind) {}
            life.core.resume(env);
            self.release(tenant);
        }
        let Some(life) = self.host.lives[tenant].take() else {
            return Ok(());
        };
        if life.core.is_settled() {
            life.seal();
        } else {
            // The disk is full: it could not be ended, and is given up.
            self.in_flight[tenant] = life.in_flight();
            self.host.suspect[tenant] = true;
            self.host.abandon(life.id);
        }
        Ok(())
    }

    /// The process is gone, and with it every connection.
    pub(crate) fn host_dies(&mut self) {
        for (tenant, life) in self.host.lives.iter().enumerate() {
            if let Some(life) = life {
                self.in_flight[tenant] = life.in_flight();
            }
        }
        self.host.die();
        self.calls.clear();
        self.links.retain(|_, link| {
            link.gone = true;
            link.wire.break_off();
            !link.cut
        });
    }
}

/// Whether the storage refused to work, and nothing is said to be damaged.
fn is_failure(error: &WakeError) -> bool {
    matches!(
        error,
        WakeError::Log(OpenError::Disk(_))
            | WakeError::Read(ReadError::Failed(_))
            | WakeError::Storage(_)
            | WakeError::Snapshot(_)
    )
}
