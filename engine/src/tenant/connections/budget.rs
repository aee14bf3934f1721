//! How much may be asked: buckets of units that fill up again with time. A person never meets their
//! bottom; a program that runs wild does, and is told exactly when to ask again.
//!
//! What a request costs is decided before anything is looked up for it, so that refusing a flood costs
//! next to nothing.

use std::collections::HashMap;

use homeroom_protocol::{Request, Timestamp, UserId};

use crate::{
    domain::Outcome,
    tenant::{
        effects, input::Input, refusal::Refusal, service::ServiceRequest, settings::Settings,
        state::Tenant,
    },
};

/// A bucket of units, kept as the time at which it will be full again: the generic cell rate algorithm
/// (ITU-T I.371), exact and in one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Bucket {
    full_at_us: u64,
}

/// How fast a bucket fills up, and how much it holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    pub(crate) per_second: u32,
    pub(crate) burst: u32,
}

/// Asked too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooFast {
    /// In this time there will be enough for the same request, if nothing else is asked meanwhile.
    pub(crate) retry_after_ms: u64,
}

/// What a request is charged to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Charge {
    /// To the connection and the user.
    pub(crate) units: u32,
    /// To the tenant.
    pub(crate) messages: u32,
}

/// The buckets that are not a connection's own. Of users, at most one for each connection that there
/// may be, and as many that are not full again yet.
#[derive(Debug, Default)]
pub(crate) struct Budgets {
    users: HashMap<UserId, Bucket>,
    /// How many were left when those that are full again were last looked for.
    swept: usize,
    messages: Bucket,
    refused: u64,
}

/// As long as there are fewer, nobody looks for buckets that are full again.
const SWEPT_MIN: usize = 64;

impl Rate {
    const fn unit_us(self, units: u32) -> u64 {
        let per_second = if self.per_second == 0 {
            1
        } else {
            self.per_second
        };
        (units as u64 * 1_000_000).div_ceil(per_second as u64)
    }
}

impl Bucket {
    /// From which nothing was taken.
    pub(crate) const FULL: Self = Self { full_at_us: 0 };

    /// Whether something can be taken out.
    ///
    /// # Errors
    /// [`TooFast`] when there is not enough in it.
    fn check(&mut self, now: Timestamp, units: u32, rate: Rate) -> Result<(), TooFast> {
        let now_us = now.0.saturating_mul(1000);
        let empty_us = now_us.saturating_add(rate.unit_us(rate.burst));
        // Also kept when it refuses: a clock that was set back must not shut anybody out for longer than
        // an empty bucket does.
        self.full_at_us = self.full_at_us.clamp(now_us, empty_us);
        let lacks_us = self.after(units, rate).saturating_sub(empty_us);
        if lacks_us > 0 {
            return Err(TooFast {
                retry_after_ms: lacks_us.div_ceil(1000),
            });
        }
        Ok(())
    }

    /// Takes out what was checked.
    const fn take(&mut self, units: u32, rate: Rate) {
        self.full_at_us = self.after(units, rate);
    }

    const fn after(self, units: u32, rate: Rate) -> u64 {
        // Dearer than a full bucket: it takes all of one.
        let units = if units < rate.burst {
            units
        } else {
            rate.burst
        };
        self.full_at_us.saturating_add(rate.unit_us(units))
    }

    const fn is_full(self, now: Timestamp) -> bool {
        self.full_at_us <= now.0.saturating_mul(1000)
    }
}

impl Budgets {
    /// Takes what a request of a user costs out of all that it is charged to, or nothing out of any.
    ///
    /// # Errors
    /// [`TooFast`], when any of them has not enough.
    pub(crate) fn charge(
        &mut self,
        connection: &mut Bucket,
        user: &UserId,
        charge: Charge,
        now: Timestamp,
        settings: &Settings,
    ) -> Result<(), TooFast> {
        let result = self.try_charge(connection, user, charge, now, settings);
        self.refused += u64::from(result.is_err());
        result
    }

    /// Takes what something costs that no connection asked for.
    ///
    /// # Errors
    /// [`TooFast`].
    pub(crate) fn charge_tenant(
        &mut self,
        messages: u32,
        now: Timestamp,
        settings: &Settings,
    ) -> Result<(), TooFast> {
        let rate = settings.messages_rate();
        let result = self.messages.check(now, messages, rate);
        self.refused += u64::from(result.is_err());
        result?;
        self.messages.take(messages, rate);
        Ok(())
    }

    /// How many requests were refused since the tenant woke.
    pub(crate) const fn refused(&self) -> u64 {
        self.refused
    }

    fn try_charge(
        &mut self,
        connection: &mut Bucket,
        user: &UserId,
        charge: Charge,
        now: Timestamp,
        settings: &Settings,
    ) -> Result<(), TooFast> {
        let Charge { units, messages } = charge;
        let (own_rate, user_rate, rate) = (
            settings.connection_rate(),
            settings.user_rate(),
            settings.messages_rate(),
        );
        let mut fresh = Bucket::default();
        let known = self.users.get_mut(user);
        let is_known = known.is_some();
        let of_user = known.unwrap_or(&mut fresh);
        connection.check(now, units, own_rate)?;
        of_user.check(now, units, user_rate)?;
        self.messages.check(now, messages, rate)?;
        connection.take(units, own_rate);
        of_user.take(units, user_rate);
        self.messages.take(messages, rate);
        if is_known {
            return Ok(());
        }
        // One that is full is as good as none. Looking through all only when they have doubled makes it cheap
        // for each request.
        let users_max = 2 * settings.connections_max.max(1);
        if self.users.len() >= (2 * self.swept).max(SWEPT_MIN).min(users_max) {
            self.users.retain(|_, bucket| !bucket.is_full(now));
            self.users.shrink_to_fit();
            self.swept = self.users.len();
        }
        self.users.insert(user.clone(), fresh);
        Ok(())
    }
}

impl Tenant {
    /// Takes what an input costs; when there is not enough, whoever asked is told, at once: a refusal
    /// depends on nothing that could be lost.
    pub(crate) fn is_affordable(&mut self, input: &Input, out: &mut Outcome<Self>) -> bool {
        match input {
            Input::Request {
                connection,
                id,
                request,
            } => {
                let charge = self.settings.cost_of(request);
                let Some(session) = self.sessions.get_mut(*connection) else {
                    return true;
                };
                let (bucket, user) = (&mut session.budget, &session.identity.user);
                let charged = self
                    .budgets
                    .charge(bucket, user, charge, self.clock, &self.settings);
                if let Err(too_fast) = charged {
                    out.now
                        .push(effects::refused(*connection, *id, too_fast.into()));
                }
                charged.is_ok()
            }
            Input::Signal { connection, .. } => {
                let charge = self.settings.cost_of_signal();
                let Some(session) = self.sessions.get_mut(*connection) else {
                    return true;
                };
                let (bucket, user) = (&mut session.budget, &session.identity.user);
                let charged = self
                    .budgets
                    .charge(bucket, user, charge, self.clock, &self.settings);
                let Err(too_fast) = charged else {
                    return true;
                };
                // Told once: the next ones of a flood are dropped in silence.
                if session.hushed_until <= self.clock {
                    session.hushed_until = self.clock.plus_ms(too_fast.retry_after_ms);
                    out.now
                        .push(effects::objected(*connection, too_fast.into()));
                }
                false
            }
            Input::Service(call) => {
                let messages = cost_of_service(&call.request);
                let charged = self
                    .budgets
                    .charge_tenant(messages, self.clock, &self.settings);
                if let Err(too_fast) = charged {
                    out.now.push(call.refused(too_fast.into()));
                }
                charged.is_ok()
            }
            Input::Connect { .. }
            | Input::Disconnect { .. }
            | Input::Renew { .. }
            | Input::Revoke { .. }
            | Input::Page { .. } => true,
        }
    }
}

impl From<TooFast> for Refusal {
    fn from(TooFast { retry_after_ms }: TooFast) -> Self {
        Self::TooFast { retry_after_ms }
    }
}

/// Messages that a request of a service is charged as; nothing else of it is: services are the app's own.
const fn cost_of_service(request: &ServiceRequest) -> u32 {
    match request {
        ServiceRequest::Publish { .. }
        | ServiceRequest::CreateRoom { .. }
        | ServiceRequest::ChangeRoom { .. }
        | ServiceRequest::Edit { .. }
        | ServiceRequest::Delete { .. } => 1,
        ServiceRequest::Moderate { .. }
        | ServiceRequest::AddMember { .. }
        | ServiceRequest::RemoveMember { .. }
        | ServiceRequest::History { .. }
        | ServiceRequest::Members { .. }
        | ServiceRequest::Presence { .. }
        | ServiceRequest::Room { .. }
        | ServiceRequest::Roles(_) => 0,
    }
}

impl Settings {
    const fn connection_rate(&self) -> Rate {
        Rate {
            per_second: self.connection_units_per_s,
            burst: self.connection_units_burst,
        }
    }

    const fn user_rate(&self) -> Rate {
        Rate {
            per_second: self.user_units_per_s,
            burst: self.user_units_burst,
        }
    }

    const fn messages_rate(&self) -> Rate {
        Rate {
            per_second: self.messages_per_s,
            burst: self.messages_burst,
        }
    }

    /// What a signal costs.
    pub(crate) const fn cost_of_signal(&self) -> Charge {
        Charge {
            units: self.light_request_units,
            messages: 0,
        }
    }

    /// What a request costs.
    pub(crate) const fn cost_of(&self, request: &Request) -> Charge {
        let (units, messages) = match request {
            // Answered from memory, in time that does not depend on how much there is.
            Request::Typing { .. }
            | Request::Presence { .. }
            | Request::View { .. }
            | Request::Me
            | Request::Explain { .. }
            | Request::Leave { .. } => (self.light_request_units, 0),
            // One record in the log, heard by everybody in a room.
            Request::Send { .. }
            | Request::Edit { .. }
            | Request::Delete { .. }
            | Request::React { .. }
            | Request::Pin { .. } => (self.write_request_units, 1),
            // One record in the log, heard by the user's own devices.
            Request::Mark { .. }
            | Request::Follow { .. }
            | Request::Level { .. }
            | Request::Status { .. }
            | Request::Block { .. } => (self.write_request_units, 0),
            // Read from the index and the log, or a long list from memory.
            Request::History { .. }
            | Request::Versions { .. }
            | Request::Join { .. }
            | Request::Stream { .. }
            | Request::Watch { .. }
            | Request::Members { .. }
            | Request::Readers { .. }
            | Request::Rooms { .. }
            | Request::Overwrites { .. }
            | Request::Roles => (self.read_request_units, 0),
            // What people do now and then, and what stays or makes others work.
            Request::Create { .. }
            | Request::ChangeRoom { .. }
            | Request::Moderate { .. }
            | Request::Overwrite { .. }
            | Request::Report { .. }
            | Request::MarkAll { .. }
            | Request::SetRole { .. }
            | Request::RemoveRole { .. }
            | Request::GiveRoles { .. }
            | Request::Policy { .. } => (self.heavy_request_units, 1),
        };
        Charge { units, messages }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RATE: Rate = Rate {
        per_second: 10,
        burst: 5,
    };

    fn take(bucket: &mut Bucket, now: u64, units: u32) -> Result<(), u64> {
        let checked = bucket.check(Timestamp(now), units, RATE);
        checked.map_err(|too_fast| too_fast.retry_after_ms)?;
        bucket.take(units, RATE);
        Ok(())
    }

    #[test]
    fn a_full_bucket_gives_its_burst_and_then_its_rate() {
        let (mut bucket, now) = (Bucket::default(), 1_000_000);
        for _ in 0..5 {
            assert_eq!(take(&mut bucket, now, 1), Ok(()));
        }
        assert_eq!(take(&mut bucket, now, 1), Err(100));
        assert_eq!(take(&mut bucket, now + 99, 1), Err(1));
        assert_eq!(take(&mut bucket, now + 100, 1), Ok(()));
        assert_eq!(take(&mut bucket, now + 100, 2), Err(200));
        assert_eq!(take(&mut bucket, now + 100_000, 5), Ok(()));
        assert_eq!(take(&mut bucket, now + 100_000, 1), Err(100), "and no more");
    }

    #[test]
    fn what_costs_more_than_a_bucket_holds_takes_a_full_one() {
        let (mut bucket, now) = (Bucket::default(), 1_000_000);
        assert_eq!(take(&mut bucket, now, 50), Ok(()));
        assert_eq!(take(&mut bucket, now, 50), Err(500));
        assert_eq!(take(&mut bucket, now + 500, 50), Ok(()));
    }

    #[test]
    fn a_clock_that_is_set_back_shuts_nobody_out() {
        let (mut bucket, now) = (Bucket::default(), 1_000_000_000);
        assert_eq!(take(&mut bucket, now, 5), Ok(()));
        assert_eq!(take(&mut bucket, now / 2, 1), Err(100));
        assert_eq!(take(&mut bucket, now / 2 + 100, 1), Ok(()));
        assert_eq!(take(&mut bucket, 0, 1), Err(100));
    }

    #[test]
    fn a_refusal_takes_nothing_out_of_any_bucket() {
        let settings = Settings {
            connection_units_per_s: 1,
            connection_units_burst: 2,
            user_units_per_s: 1,
            user_units_burst: 3,
            messages_per_s: 1,
            messages_burst: 1,
            ..Settings::default()
        };
        let (mut budgets, ada) = (Budgets::default(), UserId::new("ada").unwrap());
        let (mut web, mut phone) = (Bucket::default(), Bucket::default());
        let now = Timestamp(1_000_000);
        let mut charge = |bucket: &mut Bucket, units, messages| {
            let charge = Charge { units, messages };
            let result = budgets.charge(bucket, &ada, charge, now, &settings);
            result.map_err(|too_fast| too_fast.retry_after_ms)
        };
        assert_eq!(charge(&mut web, 1, 1), Ok(()));
        assert_eq!(charge(&mut web, 1, 1), Err(1000), "the tenant's messages");
        assert_eq!(charge(&mut web, 1, 0), Ok(()));
        assert_eq!(charge(&mut web, 1, 0), Err(1000), "the connection");
        assert_eq!(charge(&mut phone, 2, 0), Err(1000), "the user");
        assert_eq!(charge(&mut phone, 1, 0), Ok(()));
        assert_eq!(budgets.refused(), 3);
    }

    #[test]
    fn users_are_forgotten_when_their_buckets_are_full_again() {
        let settings = Settings {
            connections_max: 2,
            ..Settings::default()
        };
        let mut budgets = Budgets::default();
        let charge = Charge {
            units: 1,
            messages: 0,
        };
        for number in 0..100 {
            let user = UserId::new(format!("u{number}")).unwrap();
            let now = Timestamp(number * 60_000);
            let mut bucket = Bucket::default();
            budgets
                .charge(&mut bucket, &user, charge, now, &settings)
                .unwrap();
            assert!(budgets.users.len() <= 4);
        }
    }

    proptest! {
        /// In any span of time, at most the burst and what filled up meanwhile is given, and whoever waits as
        /// long as they are told is given what they asked for.
        #[test]
        fn a_bucket_gives_no_more_than_it_has_and_keeps_its_word(
            asks in prop::collection::vec((0_u64..500, 1_u32..=5), 1..60)
        ) {
            let (mut bucket, start) = (Bucket::default(), 1_000_000_u64);
            let (mut now, mut given) = (start, 0_u64);
            for (pause, units) in asks {
                now += pause;
                if let Err(retry_after_ms) = take(&mut bucket, now, units) {
                    prop_assert!(retry_after_ms > 0);
                    let mut earlier = bucket;
                    prop_assert!(take(&mut earlier, now + retry_after_ms - 1, units).is_err());
                    now += retry_after_ms;
                    prop_assert_eq!(take(&mut bucket, now, units), Ok(()));
                }
                given += u64::from(units);
                prop_assert!(given * 1000 <= 5000 + (now - start) * 10);
            }
        }
    }
}
