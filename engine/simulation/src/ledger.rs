//! What is true of one tenant, as far as its log says: a small model, folded from the records one by one.
//!
//! It shares the words of the events with the engine and none of its rules. The checkers compare everything
//! that clients see with it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use homeroom_engine::{
    domain::Domain,
    tenant::{Entry, Event, Tenant, TenantChange},
};
use homeroom_protocol::{
    Availability, Durability, Epoch, EventBody, Mark, OverwriteTarget, Permission, Role, RoleId,
    RoomId, RoomKind, RoomNumber, Seq, ThreadSummary, TimelineEvent, Timestamp, UserId,
};

use crate::broken::{Broken, Checked, ensure};

/// A tenant.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// All records, as they were handed to the log.
    pub(crate) records: Vec<Bytes>,
    pub(crate) rooms: BTreeMap<RoomNumber, Room>,
    by_epoch: BTreeMap<u64, RoomNumber>,
    /// Where each text stands that was ever said: no two messages of a run have the same.
    said: BTreeMap<String, (RoomNumber, Seq)>,
    marks: BTreeMap<(UserId, RoomNumber), (Mark, usize)>,
    pub(crate) availability: BTreeMap<UserId, Availability>,
    /// How often somebody's place in a room ended.
    pub(crate) departures: u64,
    /// Everyone lost the sight of all rooms.
    blind: bool,
    time: Timestamp,
    members_max: usize,
}

/// A room or a stream.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) id: Option<RoomId>,
    /// Whether its messages are in the log.
    pub(crate) keeps: bool,
    pub(crate) is_stream: bool,
    pub(crate) epoch: Epoch,
    pub(crate) head: Seq,
    pub(crate) members: BTreeMap<UserId, Member>,
    pub(crate) events: BTreeMap<Seq, TimelineEvent>,
    pub(crate) messages: BTreeMap<Seq, Said>,
    banned: BTreeSet<UserId>,
    hidden: BTreeSet<UserId>,
    hidden_from_all: bool,
    /// In no room does anybody see anything.
    blind: bool,
    maker: UserId,
}

/// A membership.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    since: usize,
    joined: Seq,
    said: Option<(Seq, usize)>,
}

/// A message, with what became of it.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) author: UserId,
    pub(crate) text: String,
    pub(crate) thread: Option<Seq>,
    pub(crate) quiet: bool,
    pub(crate) deleted: bool,
    pub(crate) version: u32,
    pub(crate) reactions: BTreeMap<String, BTreeSet<UserId>>,
}

/// Somebody may hear a room no more.
#[derive(Debug, Clone)]
pub(crate) enum Turn {
    /// This user.
    Lost(RoomNumber, UserId),
    /// This user may again.
    Gained(RoomNumber, UserId),
}

impl Ledger {
    pub(crate) fn new(members_max: usize) -> Self {
        Self {
            members_max,
            ..Self::default()
        }
    }

    /// Takes in a commit that is durable.
    pub(crate) fn take(&mut self, records: &[Bytes]) -> Result<Vec<Turn>, Broken> {
        let mut turns = Vec::new();
        for record in records {
            self.records.push(record.clone());
            let entry = Tenant::decode(record);
            let entry = entry.map_err(|error| Broken::new("records are read", error))?;
            match entry {
                Entry::Event(event) => self.event(event, &mut turns)?,
                // Its time is of no room.
                Entry::Tenant(event) => {
                    if let TenantChange::RoleSet(role) = event.change {
                        self.role_set(&role, &mut turns);
                    }
                }
                Entry::Restarted(restarted) => {
                    return Err(Broken::new("epochs stay", format!("{restarted:?}")));
                }
            }
        }
        Ok(turns)
    }

    pub(crate) fn by_id(&self, id: &RoomId) -> Option<(RoomNumber, &Room)> {
        let mut rooms = self.rooms.iter();
        let (number, room) = rooms.find(|(_, room)| room.id.as_ref() == Some(id))?;
        Some((*number, room))
    }

    pub(crate) fn by_epoch(&self, epoch: Epoch) -> Option<(RoomNumber, &Room)> {
        let number = self.by_epoch.get(&epoch.get())?;
        Some((*number, self.rooms.get(number)?))
    }

    /// The stream of a user, if it has begun.
    pub(crate) fn stream_of(&self, user: &UserId) -> Option<&Room> {
        let mut streams = self.rooms.values().filter(|room| room.is_stream);
        streams.find(|room| room.members.contains_key(user))
    }

    /// Where something was said.
    pub(crate) fn place_of(&self, text: &str) -> Option<(RoomNumber, Seq)> {
        self.said.get(text).copied()
    }

    /// Whether two users are members of one room.
    pub(crate) fn share_a_room(&self, one: &UserId, other: &UserId) -> bool {
        let has = |room: &Room, user: &UserId| room.sees(user) && !room.is_stream;
        self.rooms
            .values()
            .any(|room| has(room, one) && has(room, other))
    }

    /// How far a member has read a room, and how much is unread.
    pub(crate) fn unread(&self, number: RoomNumber, user: &UserId) -> Option<(Mark, u32)> {
        let room = self.rooms.get(&number)?;
        let member = room.members.get(user)?;
        let begun = Mark {
            generation: 0,
            seq: member.joined,
        };
        let set = self.marks.get(&(user.clone(), number));
        let set = set.filter(|(_, at)| *at > member.since).copied();
        let (mut mark, at) = set.unwrap_or((begun, member.since));
        if let Some((seq, said_at)) = member.said
            && said_at > at
        {
            mark.seq = mark.seq.max(seq);
        }
        let counts = |said: &&Said| said.thread.is_none() && !said.quiet && !said.deleted;
        let above = room.messages.range(mark.seq.next()..);
        let unread = above.map(|(_, said)| said).filter(counts).count();
        Some((mark, u32::try_from(unread).expect("runs are short")))
    }

    fn role_set(&mut self, role: &Role, turns: &mut Vec<Turn>) {
        if role.role != RoleId::EVERYONE {
            return;
        }
        self.blind = !role.allow.has(Permission::View);
        let blind = self.blind;
        for (&number, room) in &mut self.rooms {
            room.change(number, turns, |room| room.blind = blind);
        }
        self.count_departures(turns);
    }

    fn count_departures(&mut self, turns: &[Turn]) {
        let ended = |turn: &&Turn| matches!(turn, Turn::Lost(..));
        self.departures += turns.iter().filter(ended).count() as u64;
    }

    fn event(&mut self, event: Event, turns: &mut Vec<Turn>) -> Checked {
        let at = self.records.len();
        ensure!(
            event.time >= self.time,
            "time never decreases",
            "{event:?} after {:?}",
            self.time
        );
        self.time = event.time;
        let number = event.room;
        if let Some(room) = Room::made_by(&event, at) {
            let known = self.by_epoch.insert(room.epoch.get(), number);
            ensure!(
                !self.rooms.contains_key(&number) && known.is_none(),
                "rooms are told apart",
                "{event:?}"
            );
            if let Some(id) = &room.id {
                ensure!(
                    self.by_id(id).is_none(),
                    "rooms are told apart",
                    "two of the id {id}"
                );
            }
            let blind = self.blind;
            self.rooms.insert(number, Room { blind, ..room });
            return Ok(());
        }
        let Some(room) = self.rooms.get_mut(&number) else {
            return Err(Broken::new("rooms are told apart", format!("{event:?}")));
        };
        room.place(&event)?;
        if let EventBody::Message(message) = &event.body {
            let before = (self.said).insert(message.text.clone(), (number, event.position.seq));
            ensure!(
                before.is_none(),
                "a retry is one message",
                "{:?} was said at {before:?} and {:?}",
                message.text,
                event.position
            );
        }
        match &event.body {
            EventBody::Marked { marks } => {
                for placed in marks.iter().filter(|placed| placed.thread.is_none()) {
                    let key = (event.author.clone(), placed.room);
                    self.marks.insert(key, (placed.mark, at));
                }
            }
            EventBody::StatusSet { status } => {
                let availability = status.availability;
                self.availability.insert(event.author.clone(), availability);
            }
            _ => room.take(&event, (number, at), turns)?,
        }
        ensure!(
            room.members.len() <= self.members_max,
            "limits hold",
            "{} members in {:?}, the limit is {}",
            room.members.len(),
            room.id,
            self.members_max
        );
        self.count_departures(turns);
        Ok(())
    }
}

impl Room {
    fn made_by(event: &Event, at: usize) -> Option<Self> {
        let (id, keeps, is_stream, named) = match &event.body {
            EventBody::RoomCreated { id, info, members } => (
                id.clone(),
                info.durability == Durability::Synced,
                info.kind == RoomKind::Moderation,
                members.clone(),
            ),
            EventBody::StreamOpened => (None, true, true, Vec::new()),
            _ => return None,
        };
        let member = Member {
            since: at,
            joined: event.position.seq,
            said: None,
        };
        let author = (!event.author.is_service()).then(|| event.author.clone());
        let members = author.into_iter().chain(named);
        let seq = event.position.seq;
        Some(Self {
            id,
            keeps,
            is_stream,
            epoch: event.position.epoch,
            head: seq,
            members: members.map(|user| (user, member.clone())).collect(),
            events: BTreeMap::from([(seq, event.to_timeline())]),
            messages: BTreeMap::new(),
            banned: BTreeSet::new(),
            hidden: BTreeSet::new(),
            hidden_from_all: false,
            blind: false,
            maker: event.author.clone(),
        })
    }

    /// Whether a user is a member who may see it.
    pub(crate) fn sees(&self, user: &UserId) -> bool {
        let is_hidden = self.hidden.contains(user)
            || (self.hidden_from_all || self.blind) && self.maker != *user;
        self.members.contains_key(user) && !is_hidden
    }

    /// The thread of a message at a glance.
    pub(crate) fn thread(&self, root: Seq) -> Option<ThreadSummary> {
        let replies = self.messages.iter();
        let replies = replies.filter(|(_, said)| said.thread == Some(root) && !said.deleted);
        let seqs: Vec<Seq> = replies.map(|(seq, _)| *seq).collect();
        Some(ThreadSummary {
            replies: u32::try_from(seqs.len()).expect("runs are short"),
            newest: *seqs.last()?,
        })
    }

    /// The places follow each other.
    fn place(&mut self, event: &Event) -> Checked {
        let position = event.position;
        if self.keeps {
            ensure!(
                position.epoch == self.epoch && position.seq == self.head.next(),
                "one order, no gap, no repeat",
                "{event:?} behind {:?}",
                self.head
            );
            self.events.insert(position.seq, event.to_timeline());
        }
        self.head = position.seq;
        Ok(())
    }

    fn take(&mut self, event: &Event, at: (RoomNumber, usize), turns: &mut Vec<Turn>) -> Checked {
        match &event.body {
            EventBody::MemberJoined => self.enter(&event.author, at, turns),
            EventBody::MemberAdded { member } => self.enter(member, at, turns),
            EventBody::MemberLeft => {
                self.leave(&event.author, at, turns);
                Ok(())
            }
            EventBody::MemberRemoved { member } => {
                self.leave(member, at, turns);
                Ok(())
            }
            EventBody::MemberBanned { user, .. } => {
                self.banned.insert(user.clone());
                self.leave(user, at, turns);
                Ok(())
            }
            EventBody::MemberUnbanned { user } => {
                self.banned.remove(user);
                Ok(())
            }
            EventBody::OverwriteSet { target, overwrite } => {
                let hides =
                    overwrite.deny.has(Permission::View) && !overwrite.allow.has(Permission::View);
                self.overwrite(target, hides, at.0, turns);
                Ok(())
            }
            _ => self.take_message(event, at.1),
        }
    }

    fn overwrite(
        &mut self,
        target: &OverwriteTarget,
        hides: bool,
        number: RoomNumber,
        turns: &mut Vec<Turn>,
    ) {
        self.change(number, turns, |room| match target {
            OverwriteTarget::User(user) if hides => _ = room.hidden.insert(user.clone()),
            OverwriteTarget::User(user) => _ = room.hidden.remove(user),
            OverwriteTarget::Role(_) => room.hidden_from_all = hides,
        });
    }

    /// Changes who may see it; whoever lost or gained that.
    fn change(
        &mut self,
        number: RoomNumber,
        turns: &mut Vec<Turn>,
        change: impl FnOnce(&mut Self),
    ) {
        let members: Vec<UserId> = self.members.keys().cloned().collect();
        let saw: Vec<bool> = members.iter().map(|user| self.sees(user)).collect();
        change(self);
        for (user, saw) in members.into_iter().zip(saw) {
            match (saw, self.sees(&user)) {
                (true, false) => turns.push(Turn::Lost(number, user)),
                (false, true) => turns.push(Turn::Gained(number, user)),
                (true, true) | (false, false) => {}
            }
        }
    }

    fn enter(
        &mut self,
        user: &UserId,
        (number, at): (RoomNumber, usize),
        turns: &mut Vec<Turn>,
    ) -> Checked {
        ensure!(
            !self.banned.contains(user) && !self.members.contains_key(user),
            "who is banned stays out, and who is in does not come in",
            "{user} in {:?}",
            self.id
        );
        let member = Member {
            since: at,
            joined: self.head,
            said: None,
        };
        self.members.insert(user.clone(), member);
        turns.push(Turn::Gained(number, user.clone()));
        Ok(())
    }

    fn leave(&mut self, user: &UserId, (number, _): (RoomNumber, usize), turns: &mut Vec<Turn>) {
        self.members.remove(user);
        turns.push(Turn::Lost(number, user.clone()));
    }

    fn take_message(&mut self, event: &Event, at: usize) -> Checked {
        let author = &event.author;
        let seq = event.position.seq;
        match &event.body {
            EventBody::Message(message) => {
                ensure!(
                    author.is_service() || self.sees(author),
                    "only members speak",
                    "{event:?}"
                );
                let thread = message.thread;
                ensure!(
                    thread.is_none_or(|root| self.messages.contains_key(&root)),
                    "threads have roots",
                    "{event:?}"
                );
                let said = Said {
                    author: author.clone(),
                    text: message.text.clone(),
                    thread,
                    quiet: message.quiet,
                    deleted: false,
                    version: 0,
                    reactions: BTreeMap::new(),
                };
                self.messages.insert(seq, said);
                if thread.is_none()
                    && let Some(member) = self.members.get_mut(author)
                {
                    member.said = Some((seq, at));
                }
            }
            EventBody::MessageEdited {
                target,
                message,
                version,
            } => {
                let said = live(&mut self.messages, *target, event)?;
                ensure!(
                    said.author == *author && *version == said.version + 1,
                    "edits follow each other",
                    "{event:?} of {said:?}"
                );
                said.version = *version;
                said.text.clone_from(&message.text);
            }
            EventBody::MessageDeleted { target, .. } => {
                live(&mut self.messages, *target, event)?.deleted = true;
            }
            EventBody::ReactionSet {
                target,
                reaction,
                on,
            } => {
                let said = live(&mut self.messages, *target, event)?;
                let name = reaction.emoji.to_string();
                let users = said.reactions.entry(name).or_default();
                let new = if *on {
                    users.insert(author.clone())
                } else {
                    users.remove(author)
                };
                ensure!(
                    new && reaction.count as usize == users.len(),
                    "reactions are counted",
                    "{event:?}, of {users:?}"
                );
            }
            _ => {}
        }
        Ok(())
    }
}

fn live<'a>(
    messages: &'a mut BTreeMap<Seq, Said>,
    target: Seq,
    event: &Event,
) -> Result<&'a mut Said, Broken> {
    let said = messages.get_mut(&target).filter(|said| !said.deleted);
    said.ok_or_else(|| Broken::new("nothing happens to what is not there", format!("{event:?}")))
}
