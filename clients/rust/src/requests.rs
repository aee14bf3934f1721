//! Everything asked and not yet answered. Each room has a lane of its own, and so has the connection:
//! within a lane requests go out in the order they were asked in, one lane never waits for another.
//! What was on its way when a connection ended goes back to its place in its lane, key and all.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use homeroom_protocol::{Request, RequestId};

use crate::moment::Moment;

/// The lane of what concerns no joined room.
pub(crate) const CONNECTION: usize = 0;

/// The order of what the machine itself asks: before all that the app asked.
const FIRST: u64 = 0;

/// One thing asked.
#[derive(Debug)]
pub(crate) struct Pending<T> {
    pub(crate) request: Request,
    pub(crate) lane: usize,
    /// Who waits for the answer; `None` when the machine asked it itself.
    pub(crate) asker: Option<T>,
    /// How often it was written to a connection.
    pub(crate) attempts: u32,
    order: u64,
}

/// What of a lane may go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Nothing.
    Shut,
    /// The join that opens it.
    Joining,
    /// Everything.
    Open,
}

#[derive(Debug)]
struct Lane<T> {
    /// Ascending in `order`.
    waiting: VecDeque<Pending<T>>,
    gate: Gate,
    paused_until: Option<Moment>,
    /// Whether it stands in `ready`.
    listed: bool,
}

/// All lanes, and what is on its way.
#[derive(Debug)]
pub(crate) struct Requests<T> {
    lanes: Vec<Lane<T>>,
    ready: VecDeque<usize>,
    paused: BTreeSet<(Moment, usize)>,
    flight: BTreeMap<u64, Pending<T>>,
    next_order: u64,
    next_id: u64,
    asked: usize,
    asked_max: usize,
}

impl<T> Requests<T> {
    /// The app may have at most `asked_max` unanswered.
    pub(crate) fn new(asked_max: usize) -> Self {
        Self {
            lanes: vec![Lane::new()],
            ready: VecDeque::new(),
            paused: BTreeSet::new(),
            flight: BTreeMap::new(),
            next_order: FIRST + 1,
            next_id: 1,
            asked: 0,
            asked_max,
        }
    }

    /// Whether the app may not ask for more.
    pub(crate) const fn is_full(&self) -> bool {
        self.asked >= self.asked_max
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.flight.len()
    }

    /// Queues what the app asked.
    pub(crate) fn ask(&mut self, lane: usize, request: Request, asker: T) {
        let order = self.next_order;
        self.next_order += 1;
        self.insert(Pending {
            request,
            lane,
            asker: Some(asker),
            attempts: 0,
            order,
        });
    }

    /// Queues what the machine needs, ahead of all else in the lane.
    pub(crate) fn ask_first(&mut self, lane: usize, request: Request) {
        self.insert(Pending {
            request,
            lane,
            asker: None,
            attempts: 0,
            order: FIRST,
        });
    }

    /// Puts something back in its place: it was not answered, or is to be asked again.
    pub(crate) fn insert(&mut self, pending: Pending<T>) {
        self.asked += usize::from(pending.asker.is_some());
        let lane = pending.lane;
        let waiting = &mut self.lane_mut(lane).waiting;
        let at = waiting.partition_point(|other| other.order <= pending.order);
        waiting.insert(at, pending);
        self.list(lane);
    }

    /// Puts something back, and lets nothing out of its lane before `until`.
    pub(crate) fn pause(&mut self, pending: Pending<T>, until: Moment) {
        let lane = pending.lane;
        self.insert(pending);
        if let Some(earlier) = self.lanes[lane].paused_until.replace(until) {
            self.paused.remove(&(earlier, lane));
        }
        self.paused.insert((until, lane));
    }

    pub(crate) fn set_gate(&mut self, lane: usize, gate: Gate) {
        self.lane_mut(lane).gate = gate;
        self.list(lane);
    }

    /// Lets the lanes go on whose pause is over.
    pub(crate) fn wake(&mut self, now: Moment) {
        while let Some(&(until, lane)) = self.paused.first() {
            if until > now {
                return;
            }
            self.paused.pop_first();
            self.lanes[lane].paused_until = None;
            self.list(lane);
        }
    }

    /// When the next pause is over.
    pub(crate) fn next_wake(&self) -> Option<Moment> {
        self.paused.first().map(|&(until, _)| until)
    }

    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The next one to go out, each lane having its turn.
    pub(crate) fn take(&mut self) -> Option<Pending<T>> {
        loop {
            let lane = self.ready.pop_front()?;
            self.lanes[lane].listed = false;
            if !self.lanes[lane].may_go() {
                continue;
            }
            let pending = self.lanes[lane].waiting.pop_front()?;
            self.asked -= usize::from(pending.asker.is_some());
            self.list(lane);
            return Some(pending);
        }
    }

    /// The id under which the next request goes out.
    pub(crate) const fn next_id(&self) -> RequestId {
        RequestId(self.next_id)
    }

    /// Counts something as on its way, under [`Self::next_id`].
    pub(crate) fn fly(&mut self, mut pending: Pending<T>) {
        pending.attempts = pending.attempts.saturating_add(1);
        self.asked += usize::from(pending.asker.is_some());
        self.flight.insert(self.next_id, pending);
        self.next_id += 1;
    }

    /// What was asked under this id, once.
    pub(crate) fn land(&mut self, id: RequestId) -> Option<Pending<T>> {
        let pending = self.flight.remove(&id.0)?;
        self.asked -= usize::from(pending.asker.is_some());
        Some(pending)
    }

    /// The connection is gone: shuts every lane, forgets what the machine asked, and puts back what
    /// the app asked. Returns what makes no sense later (typing), and the lanes that a leave on its
    /// way may have ended: the leave itself is asked again on the lane of the connection.
    pub(crate) fn ground(&mut self) -> (Vec<T>, Vec<usize>) {
        let (mut expired, mut left) = (Vec::new(), Vec::new());
        self.ready.clear();
        self.paused.clear();
        for lane in &mut self.lanes {
            lane.gate = Gate::Shut;
            lane.paused_until = None;
            lane.listed = false;
            let asked = &mut self.asked;
            lane.waiting.retain_mut(|pending| {
                if matches!(pending.request, Request::Typing { .. })
                    && let Some(asker) = pending.asker.take()
                {
                    *asked -= 1;
                    expired.push(asker);
                }
                pending.asker.is_some()
            });
        }
        for (_, mut pending) in std::mem::take(&mut self.flight) {
            let Some(asker) = pending.asker.take() else {
                continue;
            };
            self.asked -= 1;
            match pending.request {
                Request::Typing { .. } => {
                    expired.push(asker);
                    continue;
                }
                Request::Leave { .. } if pending.lane != CONNECTION => {
                    left.push(pending.lane);
                    pending.lane = CONNECTION;
                }
                _ => {}
            }
            pending.asker = Some(asker);
            self.insert(pending);
        }
        (expired, left)
    }

    /// The room of a lane is gone. What never went out is given back; what did may have been done,
    /// so it stays, on the lane of the connection, to get its true answer.
    pub(crate) fn close_lane(&mut self, lane: usize) -> Vec<T> {
        let waiting = std::mem::take(&mut self.lane_mut(lane).waiting);
        self.lanes[lane].gate = Gate::Shut;
        if let Some(until) = self.lanes[lane].paused_until.take() {
            self.paused.remove(&(until, lane));
        }
        for pending in self.flight.values_mut().filter(|other| other.lane == lane) {
            pending.lane = CONNECTION;
        }
        let mut given_back = Vec::new();
        for mut pending in waiting {
            let Some(asker) = pending.asker.take() else {
                continue;
            };
            self.asked -= 1;
            if pending.attempts == 0 {
                given_back.push(asker);
            } else {
                pending.asker = Some(asker);
                pending.lane = CONNECTION;
                self.insert(pending);
            }
        }
        given_back
    }

    /// Everyone who waits, for when the client ends.
    pub(crate) fn drain(&mut self) -> Vec<T> {
        let flight = std::mem::take(&mut self.flight).into_values();
        let waiting = std::mem::take(&mut self.lanes)
            .into_iter()
            .flat_map(|lane| lane.waiting);
        let askers = flight.chain(waiting).filter_map(|pending| pending.asker);
        let askers = askers.collect();
        *self = Self::new(self.asked_max);
        askers
    }

    fn lane_mut(&mut self, lane: usize) -> &mut Lane<T> {
        while self.lanes.len() <= lane {
            self.lanes.push(Lane::new());
        }
        &mut self.lanes[lane]
    }

    fn list(&mut self, lane: usize) {
        let this = &mut self.lanes[lane];
        if !this.listed && this.may_go() {
            this.listed = true;
            self.ready.push_back(lane);
        }
    }
}

impl<T> Lane<T> {
    const fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            gate: Gate::Shut,
            paused_until: None,
            listed: false,
        }
    }

    fn may_go(&self) -> bool {
        let Some(first) = self.waiting.front() else {
            return false;
        };
        self.paused_until.is_none()
            && match self.gate {
                Gate::Shut => false,
                Gate::Joining => first.order == FIRST,
                Gate::Open => true,
            }
    }
}
