//! What goes wrong between clients and host, and with the host and its disk.

use homeroom_client::machine::State;
use homeroom_engine::hub::Delivery;
use homeroom_protocol::CloseCode;

use crate::{
    broken::Checked,
    dice::Dice,
    disk::DiskFault,
    plan::{HostTrouble, Trouble},
    world::World,
};

impl World {
    pub(crate) fn trouble(&mut self, index: usize, trouble: Trouble) {
        let now = self.moment();
        let link = self.clients[index].link;
        match trouble {
            Trouble::Cut(seen) => {
                if let Some(connection) = link {
                    if let Some(link) = self.links.get_mut(&connection).filter(|_| seen) {
                        link.wire.break_off();
                    }
                    self.cut(connection, false);
                    self.clients[index].lose(now);
                }
            }
            Trouble::Stall | Trouble::Flow => {
                let stalled = matches!(trouble, Trouble::Stall);
                if let Some(link) = link.and_then(|link| self.links.get_mut(&link)) {
                    link.stalled = stalled;
                }
            }
            Trouble::Off(clean) => {
                if let Some(connection) = link {
                    self.cut(connection, clean);
                }
                self.clients[index].stop();
            }
            Trouble::On => {
                let is_over = self.clients[index].machine.state() == State::Stopped;
                if !self.clients[index].on || is_over {
                    if let Some(connection) = link {
                        self.cut(connection, false);
                    }
                    self.clients[index].start(now);
                }
            }
        }
    }

    pub(crate) fn host_trouble(&mut self, trouble: HostTrouble, dice: &mut Dice) -> Checked {
        match trouble {
            HostTrouble::Kill => {
                self.host_dies();
                self.disk.process_ended();
                self.faulty = false;
            }
            HostTrouble::PowerCut => {
                // It may come in the middle of a write.
                for tenant in 0..self.shape.tenants {
                    if dice.chance(1, 2) {
                        self.write_in_vain(tenant, dice);
                    }
                }
                self.host_dies();
                self.disk.cut_power(dice);
                self.faulty = false;
            }
            HostTrouble::Restart => self.restart()?,
            HostTrouble::FailSync(calls) => self.plan_fault(calls, DiskFault::Sync),
            HostTrouble::FailWrite(calls) => self.plan_fault(calls, DiskFault::Write),
            HostTrouble::DieAt(calls) => self.plan_fault(calls, DiskFault::Killed),
            HostTrouble::Full(full) => {
                self.disk.set_full(full);
                self.full = full;
            }
            HostTrouble::Slow(slow) => self.slow = slow,
            HostTrouble::Blind(blind) => self.blind = blind,
            HostTrouble::Snapshot(tenant) => {
                if let Some(life) = &mut self.host.lives[tenant % self.shape.tenants] {
                    life.begin_snapshot();
                }
            }
            HostTrouble::ClockBack(ms) => {
                self.behind_ms = (self.behind_ms + ms).min(self.now);
                self.pass(0);
            }
        }
        Ok(())
    }

    pub(crate) fn plan_fault(&mut self, calls: u64, fault: DiskFault) {
        self.disk.plan(calls, fault);
        self.faulty = true;
    }

    /// A commit is on its way to the disk when the power goes.
    pub(crate) fn write_in_vain(&mut self, tenant: usize, dice: &mut Dice) {
        self.disk.plan(dice.below(2), DiskFault::Killed);
        if let Some(life) = &mut self.host.lives[tenant] {
            life.hand_over(&mut self.host.env);
            let known = life.write();
            if !known.is_empty() {
                // It was whole after all; nobody has heard of it.
                self.host_dies();
            }
        }
        self.disk.process_ended();
    }

    /// In order: what was taken is finished, connections are sent away.
    pub(crate) fn restart(&mut self) -> Checked {
        let mut ended = Vec::new();
        for tenant in 0..self.shape.tenants {
            let life = self.host.lives[tenant].as_ref().map(|life| life.id);
            self.put_to_bed(tenant)?;
            ended.extend(life);
        }
        for life in ended {
            let close = Delivery::CloseAll {
                code: CloseCode::ShuttingDown,
                reconnect_after_ms: Some(100),
                shards: self.shape.shards as u64,
                among: 0,
            };
            self.host.release(life, vec![close]);
        }
        while self.host.turn(|| true).0 {
            self.check_said()?;
        }
        self.host_dies();
        Ok(())
    }
}
