use std::collections::BTreeSet;

use proptest::{collection::vec, prelude::*, sample::Index};

use super::*;
use crate::tenant::records::stored;

const USERS: [&str; 3] = ["ada", "bob", "eve"];

fn user(at: usize) -> UserId {
    UserId::new(USERS[at % USERS.len()]).unwrap()
}

fn happen(counting: &mut Counting, seq: u64, author: usize, fact: MessageFact<'_>) {
    counting.apply((at(seq), Seq(seq)), &user(author), fact);
}

fn at(seq: u64) -> LogPosition {
    LogPosition(seq * 10)
}

/// One message of the plain model: nothing but what was said last.
#[derive(Debug, Clone)]
struct Said {
    message: Message,
    author: usize,
    deleted: bool,
}

#[derive(Debug, Clone)]
enum Step {
    Say {
        author: usize,
        thread: Option<Index>,
        quiet: bool,
        mentions: Mentions,
    },
    Edit {
        target: Index,
        mentions: Mentions,
    },
    Delete(Index),
    Other,
    Cut(Index),
    Reload,
}

fn mentions() -> impl Strategy<Value = Mentions> {
    (vec(0_usize..3, 0..3), vec(1_u32..4, 0..2), any::<bool>()).prop_map(|(users, roles, room)| {
        Mentions {
            users: users.into_iter().map(user).collect(),
            roles: roles.into_iter().map(RoleId).collect(),
            room,
        }
    })
}

fn step() -> impl Strategy<Value = Step> {
    let thread = proptest::option::of(any::<Index>());
    let quiet = prop::bool::weighted(0.2);
    prop_oneof![
        6 => (0_usize..3, thread, quiet, mentions()).prop_map(|(author, thread, quiet, mentions)| {
            Step::Say { author, thread, quiet, mentions }
        }),
        2 => (any::<Index>(), mentions()).prop_map(|(target, mentions)| Step::Edit { target, mentions }),
        2 => any::<Index>().prop_map(Step::Delete),
        1 => Just(Step::Other),
        1 => any::<Index>().prop_map(Step::Cut),
        1 => Just(Step::Reload),
    ]
}

#[derive(Default)]
struct Run {
    counting: Counting,
    model: BTreeMap<u64, Said>,
    head: u64,
    floor: u64,
}

impl Run {
    fn happen(&mut self, author: usize, fact: MessageFact<'_>) -> u64 {
        self.head += 1;
        happen(&mut self.counting, self.head, author, fact);
        self.head
    }

    /// Any message that was said and not deleted: what may be edited, deleted or answered.
    fn pick(&self, index: Index, root: bool) -> Option<u64> {
        let may = self
            .model
            .iter()
            .filter(|(_, said)| !said.deleted && (!root || said.message.thread.is_none()));
        let seqs: Vec<u64> = may.map(|(seq, _)| *seq).collect();
        (!seqs.is_empty()).then(|| *index.get(&seqs))
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Say {
                author,
                thread,
                quiet,
                mentions,
            } => {
                let message = Message {
                    thread: thread.and_then(|index| self.pick(index, true)).map(Seq),
                    quiet,
                    mentions,
                    ..Message::default()
                };
                let seq = self.happen(author, MessageFact::Said(&message));
                let deleted = false;
                let said = Said {
                    message,
                    author,
                    deleted,
                };
                self.model.insert(seq, said);
            }
            Step::Edit { target, mentions } => {
                let Some(target) = self.pick(target, false) else {
                    return;
                };
                let said = self.model.get_mut(&target).unwrap();
                said.message.mentions = mentions;
                let (message, author) = (said.message.clone(), said.author);
                let fact = MessageFact::Edited {
                    target: Seq(target),
                    message: &message,
                    version: 1,
                };
                self.happen(author, fact);
            }
            Step::Delete(target) => {
                let Some(target) = self.pick(target, false) else {
                    return;
                };
                self.model.get_mut(&target).unwrap().deleted = true;
                let fact = MessageFact::Deleted {
                    target: Seq(target),
                    by_moderator: false,
                };
                self.happen(0, fact);
            }
            Step::Other => {
                let pinned = MessageFact::Pinned {
                    target: Seq(1),
                    on: true,
                };
                self.happen(0, pinned);
            }
            Step::Cut(index) => {
                let head = usize::try_from(self.head).unwrap();
                self.floor = self.floor.max(index.index(head + 1) as u64);
                self.counting.cut(Seq(self.floor));
                self.model.retain(|seq, _| *seq >= self.floor);
            }
            Step::Reload => {
                let saved = stored::write(&self.counting.save());
                let loaded = stored::read(&saved, "counting").unwrap();
                let loaded = Counting::restore(loaded).unwrap();
                assert_eq!(loaded, self.counting);
                assert_eq!(stored::write(&loaded.save()), saved);
                self.counting = loaded;
            }
        }
    }

    fn count(&self, mark: u64, counts: impl Fn(&Said) -> bool) -> u32 {
        let above = self.model.range(mark + 1..);
        let counted = above.filter(|(_, said)| !said.deleted && counts(said));
        u32::try_from(counted.count()).unwrap()
    }

    fn check(&self) {
        let counts = |said: &Said| said.message.thread.is_none() && !said.message.quiet;
        for mark in 0..=self.head + 1 {
            assert_eq!(self.counting.unread(Seq(mark)), self.count(mark, counts));
            for (who, roles) in [(0, vec![]), (1, vec![1]), (2, vec![2, 3])] {
                let mentioned = |said: &Said| {
                    let Mentions {
                        users,
                        roles: named,
                        room,
                    } = &said.message.mentions;
                    counts(said)
                        && (*room
                            || users.contains(&user(who))
                            || named.iter().any(|role| roles.contains(&role.0)))
                };
                let mentions = self.counting.mentions(
                    &user(who),
                    roles.iter().map(|&role| RoleId(role)),
                    Seq(mark),
                );
                assert_eq!(mentions, self.count(mark, mentioned));
            }
        }
        let roots: BTreeSet<u64> = self
            .model
            .values()
            .filter_map(|said| said.message.thread)
            .map(|root| root.0)
            .collect();
        for root in roots {
            let replies = |said: &Said| said.message.thread == Some(Seq(root));
            for mark in 0..=self.head {
                let unread = self.counting.unread_in_thread(Seq(root), Seq(mark));
                let expected = self.count(mark, |said| replies(said) && !said.message.quiet);
                assert_eq!(unread, expected, "{root} {mark}");
            }
            let summary = self.counting.thread(Seq(root));
            let live = self.model.iter().rev();
            let mut live = live.filter(|(_, said)| !said.deleted && replies(said));
            let newest = live.next().map(|(seq, _)| Seq(*seq));
            assert_eq!(summary.map(|summary| summary.newest), newest);
            assert_eq!(
                summary.map_or(0, |summary| summary.replies),
                self.count(0, replies)
            );
            for who in 0..USERS.len() {
                let said = self.model.iter().rev();
                let mut said = said.filter(|(_, said)| replies(said) && said.author == who);
                let last = said.next().map(|(seq, _)| (Seq(*seq), at(*seq)));
                assert_eq!(self.counting.said_in_thread(Seq(root), &user(who)), last);
            }
        }
        for seq in 0..=self.head {
            let live = self.model.get(&seq).is_some_and(|said| !said.deleted);
            assert_eq!(self.counting.is_live(Seq(seq)), live);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_count_is_that_of_a_plain_recount(steps in vec(step(), 1..40)) {
        let mut run = Run::default();
        for step in steps {
            run.step(step);
        }
        run.check();
    }
}

#[test]
fn what_is_deleted_leaves_nothing_behind() {
    let mut counting = Counting::default();
    let mentions = Mentions {
        users: vec![user(0)],
        roles: vec![RoleId(1)],
        room: true,
    };
    let message = Message {
        mentions,
        .."hi".into()
    };
    happen(&mut counting, 1, 1, MessageFact::Said(&message));
    let roles = [RoleId(1)];
    assert_eq!(
        counting.mentions(&user(0), roles, Seq(0)),
        1,
        "each message once"
    );
    let delete = MessageFact::Deleted {
        target: Seq(1),
        by_moderator: true,
    };
    happen(&mut counting, 2, 1, delete);
    assert_eq!(counting, Counting::default());
}
