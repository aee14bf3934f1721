//! What counts as unread in one room, kept as sets of places and never as a number.
//!
//! A number that is counted up and down drifts with the first event that is missed or taken twice. Here
//! is, for each question a count answers, the set of messages it is about; a count is how many of the set
//! lie above a mark, at the moment it is asked for. All of it follows from the events alone.
//!
//! A message counts for its room unless it is quiet, deleted, or a reply in a thread; replies count for
//! their thread alone. Mentions are those of the newest version of messages that count for the room.

use std::collections::BTreeMap;

use homeroom_protocol::{Mentions, Message, RoleId, Seq, ThreadSummary, UserId};

use super::seqs::Seqs;
use crate::{log::LogPosition, tenant::records::concern::MessageFact};

/// The sets of one room. Written only by `apply`; each message takes part in a few.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Counting {
    /// Those that count for the room.
    countable: Seqs,
    /// All that were not deleted.
    live: Seqs,
    /// Live ones that are left out of every count.
    quiet: Seqs,
    threads: BTreeMap<Seq, Thread>,
    /// All places that the threads name: without it, each cut would have to look through all threads. It
    /// follows from them.
    threaded: Seqs,
    /// Countable ones that mention anybody: without it, each edit would have to look through all below.
    mentioning: Seqs,
    users: BTreeMap<UserId, Seqs>,
    roles: BTreeMap<RoleId, Seqs>,
    /// Those that mention everybody in the room.
    everybody: Seqs,
}

/// The live replies of one thread.
#[derive(Debug, Clone, Default, PartialEq)]
struct Thread {
    replies: Seqs,
    /// The newest reply of each who took part, and where it stands in the log. Never more than replies.
    said: BTreeMap<UserId, (Seq, LogPosition)>,
}

impl Counting {
    /// Messages that count for the room, above a mark.
    pub(crate) fn unread(&self, mark: Seq) -> u32 {
        self.countable.count_above(mark)
    }

    /// Those of them that mention a user, one of their roles, or everybody.
    pub(crate) fn mentions(
        &self,
        user: &UserId,
        roles: impl IntoIterator<Item = RoleId>,
        mark: Seq,
    ) -> u32 {
        let roles = roles.into_iter().filter_map(|role| self.roles.get(&role));
        let own = self.users.get(user).into_iter();
        Seqs::count_union_above(own.chain(roles).chain([&self.everybody]), mark)
    }

    /// Replies of a thread that count, above a mark.
    pub(crate) fn unread_in_thread(&self, root: Seq, mark: Seq) -> u32 {
        let Some(Thread { replies, .. }) = self.threads.get(&root) else {
            return 0;
        };
        replies.count_above(mark) - replies.count_shared_above(&self.quiet, mark)
    }

    /// A thread at a glance; `None` where no reply is left.
    pub(crate) fn thread(&self, root: Seq) -> Option<ThreadSummary> {
        let replies = &self.threads.get(&root)?.replies;
        Some(ThreadSummary {
            replies: replies.count(),
            newest: replies.newest()?,
        })
    }

    /// A user's newest reply in a thread, and where it stands in the log.
    pub(crate) fn said_in_thread(&self, root: Seq, user: &UserId) -> Option<(Seq, LogPosition)> {
        self.threads.get(&root)?.said.get(user).copied()
    }

    /// Whether there is a message at this place that was not deleted.
    pub(crate) fn is_live(&self, seq: Seq) -> bool {
        self.live.contains(seq)
    }

    /// Whether the message at this place is a reply in a thread.
    pub(crate) fn is_reply(&self, seq: Seq) -> bool {
        // All but quiet ones are told apart without a look at every thread.
        if !self.live.contains(seq) || self.countable.contains(seq) {
            return false;
        }
        !self.quiet.contains(seq) || self.thread_of(seq).is_some()
    }

    /// The root of the thread that a reply is in. It is older than the reply.
    fn thread_of(&self, reply: Seq) -> Option<Seq> {
        let mut older = self.threads.range(..reply).rev();
        older.find_map(|(root, thread)| thread.replies.contains(reply).then_some(*root))
    }

    /// The oldest of the newest `count` messages; `None` when there are fewer.
    pub(crate) fn nth_newest(&self, count: u32) -> Option<Seq> {
        self.live.nth_newest(count)
    }

    /// Takes in what was said, or became of it, at this place of the log and the timeline.
    pub(crate) fn apply(
        &mut self,
        (at, seq): (LogPosition, Seq),
        author: &UserId,
        fact: MessageFact<'_>,
    ) {
        match fact {
            MessageFact::Said(message) => self.say(at, seq, author, message),
            MessageFact::Edited {
                target, message, ..
            } => {
                if self.countable.contains(target) {
                    self.forget_mentions(target);
                    self.mention(target, &message.mentions);
                }
            }
            MessageFact::Deleted { target, .. } => self.delete(target),
            MessageFact::Reacted { .. } | MessageFact::Pinned { .. } => {}
        }
    }

    /// Nothing below `floor` is kept: nothing there counts.
    ///
    /// A room that keeps so many messages is cut with each new one, and whom it mentions and its threads may be
    /// many: they are looked through only when something of theirs goes.
    pub(crate) fn cut(&mut self, floor: Seq) {
        let replies_gone = self.threaded.count_below(floor) > 0;
        let mentions_gone = self.mentioning.count_below(floor) > 0;
        for set in [
            &mut self.countable,
            &mut self.live,
            &mut self.quiet,
            &mut self.threaded,
            &mut self.mentioning,
            &mut self.everybody,
        ] {
            set.cut(floor);
        }
        if mentions_gone {
            cut_each(&mut self.users, floor);
            cut_each(&mut self.roles, floor);
        }
        if !replies_gone {
            return;
        }
        self.threads.retain(|_, thread| {
            thread.replies.cut(floor);
            thread.said.retain(|_, (seq, _)| *seq >= floor);
            !thread.is_empty()
        });
    }

    fn say(&mut self, at: LogPosition, seq: Seq, author: &UserId, message: &Message) {
        self.live.insert(seq);
        if message.quiet {
            self.quiet.insert(seq);
        }
        if let Some(root) = message.thread {
            let thread = self.threads.entry(root).or_default();
            thread.replies.insert(seq);
            self.threaded.insert(seq);
            if let Some((before, _)) = thread.said.insert(author.clone(), (seq, at))
                && !thread.replies.contains(before)
            {
                self.threaded.remove(before);
            }
        } else if !message.quiet {
            self.countable.insert(seq);
            self.mention(seq, &message.mentions);
        }
    }

    fn delete(&mut self, target: Seq) {
        if !self.live.remove(target) {
            return;
        }
        self.quiet.remove(target);
        if self.countable.remove(target) {
            self.forget_mentions(target);
            return;
        }
        // Which thread it was in is not in the event; a place is in one thread at most.
        let Some(root) = self.thread_of(target) else {
            return;
        };
        if let Some(thread) = self.threads.get_mut(&root) {
            thread.replies.remove(target);
            if !thread.said.values().any(|(seq, _)| *seq == target) {
                self.threaded.remove(target);
            }
        }
    }

    fn mention(&mut self, seq: Seq, mentions: &Mentions) {
        let Mentions { users, roles, room } = mentions;
        if mentions.is_empty() {
            return;
        }
        self.mentioning.insert(seq);
        for user in users {
            self.users.entry(user.clone()).or_default().insert(seq);
        }
        for role in roles {
            self.roles.entry(*role).or_default().insert(seq);
        }
        if *room {
            self.everybody.insert(seq);
        }
    }

    fn forget_mentions(&mut self, seq: Seq) {
        if !self.mentioning.remove(seq) {
            return;
        }
        self.everybody.remove(seq);
        forget_in_each(&mut self.users, seq);
        forget_in_each(&mut self.roles, seq);
    }
}

/// As a part of its room's section: the sets in the order of the fields, threads as root, replies and who
/// said what last.
pub(crate) type SavedCounting = (
    Seqs,
    Seqs,
    Seqs,
    Vec<(u64, Seqs, Vec<(String, u64, u64)>)>,
    Seqs,
    Vec<(String, Seqs)>,
    Vec<(u32, Seqs)>,
    Seqs,
);

impl Counting {
    pub(crate) fn save(&self) -> SavedCounting {
        let said = |thread: &Thread| {
            let said = thread.said.iter();
            said.map(|(user, (seq, at))| (user.to_string(), seq.0, at.0))
                .collect()
        };
        let threads = self.threads.iter();
        let users = self.users.iter();
        let roles = self.roles.iter();
        (
            self.countable.clone(),
            self.live.clone(),
            self.quiet.clone(),
            threads
                .map(|(root, thread)| (root.0, thread.replies.clone(), said(thread)))
                .collect(),
            self.mentioning.clone(),
            users
                .map(|(user, set)| (user.to_string(), set.clone()))
                .collect(),
            roles.map(|(role, set)| (role.0, set.clone())).collect(),
            self.everybody.clone(),
        )
    }

    /// `None`: it was not saved like this.
    pub(crate) fn restore(saved: SavedCounting) -> Option<Self> {
        let (countable, live, quiet, threads, mentioning, users, roles, everybody) = saved;
        let said = |(user, seq, at): (String, u64, u64)| {
            Some((UserId::new(user).ok()?, (Seq(seq), LogPosition(at))))
        };
        let thread = |(root, replies, who): (u64, Seqs, Vec<_>)| {
            let said = who.into_iter().map(said).collect::<Option<_>>()?;
            Some((Seq(root), Thread { replies, said }))
        };
        let user = |(user, set): (String, Seqs)| Some((UserId::new(user).ok()?, set));
        let threads: BTreeMap<Seq, Thread> =
            threads.into_iter().map(thread).collect::<Option<_>>()?;
        let threaded = Seqs::union(threads.values().map(|thread| &thread.replies));
        let said = threads.values().flat_map(|thread| thread.said.values());
        let said: Seqs = said.map(|(seq, _)| *seq).collect();
        Some(Self {
            countable,
            live,
            quiet,
            threads,
            threaded: Seqs::union([&threaded, &said].into_iter()),
            mentioning,
            users: users.into_iter().map(user).collect::<Option<_>>()?,
            roles: roles
                .into_iter()
                .map(|(role, set)| (RoleId(role), set))
                .collect(),
            everybody,
        })
    }
}

impl Thread {
    /// Who took part stays known while nothing is left to count: their mark stands.
    fn is_empty(&self) -> bool {
        self.replies.is_empty() && self.said.is_empty()
    }
}

fn forget_in_each<K: Ord>(sets: &mut BTreeMap<K, Seqs>, seq: Seq) {
    sets.retain(|_, set| !set.remove(seq) || !set.is_empty());
}

fn cut_each<K: Ord>(sets: &mut BTreeMap<K, Seqs>, floor: Seq) {
    sets.retain(|_, set| {
        set.cut(floor);
        !set.is_empty()
    });
}

#[cfg(test)]
#[path = "counting_tests.rs"]
mod tests;
