//! One room: who is a member, what it is like, and how far its timeline has come.
//!
//! What a room knows besides that is kept by concern, each a noun of its own: what counts as unread, who is
//! kept in and out, what may be done by whom, what is pinned. An event is told to each of them, here and
//! nowhere else.

use std::collections::BTreeMap;

use homeroom_protocol::{
    Durability, Epoch, EventBody, Message, Position, ResetReason, RoomChange, RoomId, RoomInfo,
    RoomKind, RoomNumber, Seq, Timestamp, UserId,
};

use super::{
    counting::Counting, deletions::Deletions, gate::Gate, membership::Membership, pace::Pace,
    passing::Passing, personal::Personal, pins::Pins, retention::Kept,
};
use crate::{
    log::LogPosition,
    planted::{Fault, fault},
    tenant::{
        records::{
            concern::{Concern, MessageFact, RoomFact, Turnover},
            event::Event,
            restart::Restarted,
        },
        rights::{overwrites::Overwrites, permit::Place},
    },
};

/// A room as its events have made it. Written only by `apply`.
#[derive(Debug)]
pub struct Room {
    pub(crate) number: RoomNumber,
    /// `None`: it is found by what it is, not by an id.
    pub(crate) id: Option<RoomId>,
    pub(crate) info: RoomInfo,
    /// Who made it; in a user stream, whose it is.
    pub(crate) maker: UserId,
    pub(crate) epoch: Epoch,
    pub(crate) head: Seq,
    pub(crate) time: Timestamp,
    pub(crate) members: BTreeMap<UserId, Membership>,
    /// The log position of the newest event taken in.
    pub(crate) applied: LogPosition,

    pub(crate) counting: Counting,
    pub(crate) gate: Gate,
    pub(crate) overwrites: Overwrites,
    pub(crate) pins: Pins,
    pub(crate) deletions: Deletions,
    pub(crate) pace: Pace,
    pub(crate) kept: Kept,
    /// What concerns one person, in the room that is their stream.
    pub(crate) personal: Option<Box<Personal>>,
    /// What passes by in a room that keeps nothing; `None` until something did. Not in any snapshot.
    pub(crate) passing: Option<Box<Passing>>,
}

impl Room {
    /// Its name on the wire.
    #[must_use]
    pub const fn number(&self) -> RoomNumber {
        self.number
    }

    /// The app's id for it; `None` for streams, which have none.
    #[must_use]
    pub const fn id(&self) -> Option<&RoomId> {
        self.id.as_ref()
    }

    /// What it is like.
    #[must_use]
    pub const fn info(&self) -> &RoomInfo {
        &self.info
    }

    /// The newest event, durable or about to be.
    #[must_use]
    pub const fn head(&self) -> Position {
        Position {
            epoch: self.epoch,
            seq: self.head,
        }
    }

    /// The time of the newest event.
    #[must_use]
    pub const fn time(&self) -> Timestamp {
        self.time
    }

    /// Its members, in the order of their bytes.
    pub fn members(&self) -> impl Iterator<Item = &UserId> {
        self.members.keys()
    }

    /// How many members it has.
    #[must_use]
    pub fn members_count(&self) -> usize {
        self.members.len()
    }

    /// Whether it is a stream: a timeline without an id, which nobody joins or sends to.
    pub(crate) const fn is_stream(&self) -> bool {
        match self.info.kind {
            RoomKind::Personal | RoomKind::Moderation => true,
            RoomKind::Open | RoomKind::Private | RoomKind::Direct | RoomKind::Announcement => false,
        }
    }

    /// Whether what is said in it is stored.
    pub(crate) const fn keeps_messages(&self) -> bool {
        match self.info.durability {
            Durability::Synced => true,
            Durability::None => false,
        }
    }

    /// Members behind `after`, at most `limit`, and whether there are more.
    pub(crate) fn members_page(&self, after: Option<UserId>, limit: usize) -> (Vec<UserId>, bool) {
        use std::ops::Bound::{Excluded, Unbounded};

        let mut rest = self
            .members
            .range((after.map_or(Unbounded, Excluded), Unbounded))
            .map(|(user, _)| user.clone());
        let users = rest.by_ref().take(limit).collect();
        (users, rest.next().is_some())
    }

    pub(crate) fn has(&self, user: &UserId) -> bool {
        self.members.contains_key(user)
    }

    /// Whether a user is a member and that is on disk.
    pub(crate) fn has_durably(&self, user: &UserId, durable: LogPosition) -> bool {
        self.members
            .get(user)
            .is_some_and(|member| member.since <= durable)
    }

    /// How a user stands to it at a moment.
    pub(crate) fn place_of(&self, user: &UserId, now: Timestamp) -> Place<'_> {
        Place {
            kind: self.info.kind,
            archived: self.info.archived,
            overwrites: &self.overwrites,
            made_it: self.maker == *user,
            is_member: self.has(user),
            is_invited: self.gate.is_invited(user),
            is_banned: self.gate.is_banned(user, now),
            is_muted: self.gate.is_muted(user, now),
            is_apart: false,
        }
    }

    /// The place the next event takes.
    pub(crate) const fn next(&self) -> Position {
        Position {
            epoch: self.epoch,
            seq: self.head.next(),
        }
    }

    /// The first event that is kept at a time; 0: all are.
    pub(crate) fn floor(&self, time: Timestamp) -> Seq {
        self.kept.floor(self.info.retention, time)
    }

    /// Why a client's last position cannot be resumed from at a time; `None` when it can.
    pub(crate) fn refuse_resume(&self, resume: Position, time: Timestamp) -> Option<ResetReason> {
        if resume.epoch != self.epoch {
            Some(ResetReason::EpochChanged)
        } else if resume.seq > self.head {
            Some(ResetReason::Ahead)
        } else if resume.seq < self.head && !self.keeps_messages() {
            Some(ResetReason::NotKept)
        } else if resume.seq.next() < self.floor(time) {
            Some(ResetReason::Trimmed)
        } else {
            None
        }
    }

    /// The room that an event makes; `None` when it makes none.
    pub(crate) fn made_by(at: LogPosition, event: &Event) -> Option<Self> {
        let (id, info, members) = match event.concern() {
            Concern::Room(RoomFact::Created { id, info, members }) => {
                let members = match info.kind {
                    // Whoever may moderate reads it; nobody is in it.
                    RoomKind::Moderation => Vec::new(),
                    RoomKind::Open
                    | RoomKind::Private
                    | RoomKind::Direct
                    | RoomKind::Announcement
                    | RoomKind::Personal => event.first_members(members).cloned().collect(),
                };
                (id.cloned(), info.clone(), members)
            }
            Concern::Room(RoomFact::StreamOpened) => {
                let info = RoomInfo {
                    kind: RoomKind::Personal,
                    ..RoomInfo::default()
                };
                (None, info, vec![event.author.clone()])
            }
            Concern::Room(RoomFact::Changed(_) | RoomFact::OverwriteSet(..))
            | Concern::Member(..)
            | Concern::Message(_)
            | Concern::Person(_)
            | Concern::Nothing => return None,
        };
        let membership = Membership::new(at, event.position.seq);
        let personal = match info.kind {
            RoomKind::Personal => Some(Box::default()),
            RoomKind::Open
            | RoomKind::Private
            | RoomKind::Direct
            | RoomKind::Announcement
            | RoomKind::Moderation => None,
        };
        Some(Self {
            number: event.room,
            id,
            info,
            maker: event.author.clone(),
            epoch: event.position.epoch,
            head: event.position.seq,
            time: event.time,
            members: members.into_iter().map(|user| (user, membership)).collect(),
            applied: at,
            counting: Counting::default(),
            gate: Gate::default(),
            overwrites: Overwrites::default(),
            pins: Pins::default(),
            deletions: Deletions::default(),
            pace: Pace::default(),
            kept: Kept::default(),
            personal,
            passing: None,
        })
    }

    /// Its timeline goes on in a new life: what it holds stays, under another epoch.
    pub(crate) fn restart(&mut self, at: LogPosition, restarted: &Restarted) {
        self.applied = at;
        self.epoch = restarted.epoch_after(self.epoch);
    }

    /// Epoch, newest event and its time, as the log has them.
    pub(crate) fn kept_head(&self) -> (Epoch, Seq, Timestamp) {
        let now = (self.epoch, self.head, self.time);
        self.passing.as_ref().map_or(now, |passing| passing.kept)
    }

    /// The tenant woke: what passed by before is gone, and its epoch with it. Rooms that keep what is said
    /// go on as they were.
    pub(crate) fn wake(&mut self, entropy: u64) {
        if self.keeps_messages() {
            return;
        }
        let kept = self.kept_head();
        self.passing = Some(Box::new(Passing::new(kept)));
        if !fault(Fault::EpochKeptAtWake) {
            self.epoch = Epoch::from_random(entropy ^ kept.0.get().rotate_left(11));
        }
    }

    /// Whether an event of this room is in no log.
    pub(crate) fn lets_pass(&self, event: &Event) -> bool {
        !self.keeps_messages() && matches!(event.body, EventBody::Message(_))
    }

    /// Takes in an event that is in no log.
    pub(crate) fn pass(&mut self, event: &Event) {
        let kept = self.kept_head();
        let passing = (self.passing).get_or_insert_with(|| Box::new(Passing::new(kept)));
        passing.pass(event, &self.info);
        self.head = event.position.seq;
        self.time = event.time;
    }

    /// How long a user has to wait before their next message, in ms; `None`: not at all.
    pub(crate) fn wait_ms(&self, user: &UserId, time: Timestamp) -> Option<u64> {
        let passing = self.passing.as_ref();
        let passing = passing.and_then(|passing| passing.wait_ms(user, &self.info, time));
        self.pace.wait_ms(user, &self.info, time).max(passing)
    }

    /// Takes in an event that comes after those it holds.
    pub(crate) fn apply(&mut self, at: LogPosition, event: &Event) {
        self.applied = at;
        self.head = event.position.seq;
        self.time = event.time;
        if let Some(passing) = &mut self.passing {
            passing.kept = (passing.kept.0, self.head, self.time);
        }
        let retention = self.info.retention;
        match event.concern() {
            Concern::Room(fact) => self.change(fact),
            Concern::Member(user, fact) => {
                match fact.turnover() {
                    Some(Turnover::Began) => self.enter(user.clone(), at),
                    Some(Turnover::Ended) => _ = self.members.remove(user),
                    None => {}
                }
                self.gate.apply(user, fact, event.time);
            }
            Concern::Message(fact) => {
                self.note_sent(at, &event.author, fact);
                self.pins.apply(fact);
                self.deletions.apply(fact);
                self.counting.apply((at, self.head), &event.author, fact);
            }
            Concern::Person(fact) => {
                if let Some(personal) = &mut self.personal {
                    personal.apply(at, fact);
                }
            }
            Concern::Nothing => {}
        }
        self.pace.apply(event, &self.info);
        let place = (event.position.seq, event.time);
        let retentions = (retention, self.info.retention);
        if self.kept.apply(place, retentions, &self.counting) {
            let floor = self.kept.floor(self.info.retention, event.time);
            self.counting.cut(floor);
            self.pins.cut(floor);
            self.deletions.cut(floor);
        }
    }

    /// Who said what last outside of threads.
    fn note_sent(&mut self, at: LogPosition, author: &UserId, fact: MessageFact<'_>) {
        if let MessageFact::Said(Message { thread: None, .. }) = fact
            && let Some(member) = self.members.get_mut(author)
        {
            member.note_sent(self.head, at);
        }
    }

    fn change(&mut self, fact: RoomFact<'_>) {
        match fact {
            RoomFact::Changed(changes) => {
                for change in changes {
                    change_info(&mut self.info, change);
                }
            }
            RoomFact::OverwriteSet(target, overwrite) => self.overwrites.set(target, overwrite),
            RoomFact::Created { .. } | RoomFact::StreamOpened => {}
        }
    }

    fn enter(&mut self, user: UserId, at: LogPosition) {
        self.members.insert(user, Membership::new(at, self.head));
    }
}

/// Changes what a room is like; whether that changed anything.
pub(crate) fn change_info(info: &mut RoomInfo, change: &RoomChange) -> bool {
    let before = info.clone();
    match change.clone() {
        RoomChange::Kind(kind) => info.kind = kind,
        RoomChange::Title(title) => info.title = title,
        RoomChange::Topic(topic) => info.topic = topic,
        RoomChange::Metadata(metadata) => info.metadata = metadata,
        RoomChange::Retention(retention) => info.retention = retention,
        RoomChange::SlowMode(ms) => info.slow_mode_ms = ms,
        RoomChange::Archived(archived) => info.archived = archived,
    }
    *info != before
}
