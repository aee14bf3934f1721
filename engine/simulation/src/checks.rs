//! What is compared with the truth: event by event, answer by answer, and all of it when the world is quiet.

use homeroom_client::{Answer, Command, Outcome, machine::State};
use homeroom_protocol::{
    Direction, EventBody, Position, Request, RoomId, Seq, Standing, Stream, TimelineEvent,
    limit::{MEMBERS_PAGE_MAX, PAGE_EVENTS_MAX, ROOMS_PAGE_MAX},
};

use crate::{
    broken::{Broken, Checked, ensure},
    client::{Asked, Audit, Told, is_refused, of, place_in},
    pages::{check_page, is_told_as},
    world::World,
};

/// After so long nothing is to be expected any more: the longest wait of a client, a grace, what the hub and
/// the tenant put off.
const QUIET_MS: u64 = 14_000;

impl World {
    /// An app learnt something.
    pub(crate) fn judge(&mut self, index: usize, told: Told) -> Checked {
        match told {
            Told::Event(room, position, event) => self.judge_event(index, room, position, *event),
            Told::Reset(room, reason) => {
                let ledger = &self.ledgers[self.clients[index].tenant];
                let keeps = ledger.by_id(&room).is_some_and(|(_, room)| room.keeps);
                ensure!(
                    !keeps,
                    "rooms that keep their past go on",
                    "{} was told {reason:?} of {room}",
                    self.clients[index].user
                );
                Ok(())
            }
            Told::Answered(asked, outcome) => match asked {
                Asked::Send(spoken) => self.judge_send(spoken, &outcome),
                Asked::Audit(audit) => self.judge_audit(index, &audit, outcome),
                Asked::Join(..)
                | Asked::Leave(_)
                | Asked::Watch(_)
                | Asked::View(_)
                | Asked::Other => Ok(()),
            },
        }
    }

    /// An app heard an event.
    pub(crate) fn judge_event(
        &mut self,
        index: usize,
        room: Option<RoomId>,
        position: Position,
        event: TimelineEvent,
    ) -> Checked {
        let client = &self.clients[index];
        let (tenant, user) = (client.tenant, &client.user);
        let ledger = &self.ledgers[tenant];
        let found = match &room {
            Some(id) => ledger.by_id(id).map(|(_, room)| room),
            None => ledger.by_epoch(position.epoch).map(|(_, room)| room),
        };
        let Some(room) = found else {
            return Err(Broken::new(
                "what is told is so",
                format!("{user} heard {event:?}"),
            ));
        };
        if !room.keeps {
            if !matches!(event.body, EventBody::Message(_)) {
                return Ok(());
            }
            let heard = (event.author.clone(), event.body.clone());
            let place = (tenant, position.epoch.get(), position.seq);
            let first = self.passed.entry(place).or_insert(heard);
            ensure!(
                *first == (event.author.clone(), event.body.clone()),
                "everybody hears the same",
                "{user} heard {event:?} at {position:?}, others {first:?}"
            );
            return Ok(());
        }
        ensure!(
            !room.is_stream || room.members.contains_key(user),
            "streams are their owner's",
            "{user} heard {event:?}"
        );
        let truth = room.events.get(&event.seq);
        ensure!(
            truth.is_some_and(|truth| is_told_as(&event, truth, room)),
            "everybody hears the same",
            "{user} heard {event:?}, which is {truth:?}"
        );
        Ok(())
    }

    /// An app was answered about something it said.
    pub(crate) fn judge_send(&mut self, index: usize, outcome: &Outcome) -> Checked {
        let spoken = &mut self.spoken[index];
        let ledger = &self.ledgers[spoken.tenant];
        let keeps = ledger.by_id(&spoken.room);
        let keeps = keeps.is_some_and(|(_, room)| room.keeps);
        if is_refused(outcome) {
            spoken.refused = spoken.asked == 1;
            return self.check_spoken(index);
        }
        let Some(sent) = place_in(outcome) else {
            return Ok(());
        };
        if !keeps {
            return Ok(());
        }
        ensure!(
            spoken.conflicts_with.is_none(),
            "a key is for one thing",
            "{spoken:?} was answered {sent:?}"
        );
        let before = spoken.acked.replace(sent);
        ensure!(
            before.is_none_or(|before| before == sent),
            "a retry gets the same answer",
            "{spoken:?} was answered {before:?} before"
        );
        self.check_spoken(index)
    }

    /// What was said is where it was said to be, or nowhere.
    fn check_spoken(&self, index: usize) -> Checked {
        let spoken = &self.spoken[index];
        let ledger = &self.ledgers[spoken.tenant];
        let found = ledger.place_of(&spoken.draft.text);
        if let Some(sent) = spoken.acked {
            let room = ledger.by_epoch(sent.position.epoch);
            let (number, room) =
                room.ok_or_else(|| Broken::new("acknowledged means kept", format!("{spoken:?}")))?;
            let event = room.events.get(&sent.position.seq);
            ensure!(
                found == Some((number, sent.position.seq))
                    && room.id.as_ref() == Some(&spoken.room)
                    && event.is_some_and(|event| {
                        event.author == spoken.user && event.time == sent.time
                    }),
                "acknowledged means kept",
                "{spoken:?} is at {found:?}: {event:?}"
            );
        } else if spoken.refused {
            ensure!(
                found.is_none(),
                "what is refused is not done",
                "{spoken:?} is at {found:?}"
            );
        }
        Ok(())
    }

    /// Everything under way comes to its end, and nobody types who does not.
    pub(crate) fn glance(&mut self) -> Checked {
        self.live_through(300)?;
        let now = self.host_now();
        for client in &self.clients {
            let link = client.link.and_then(|link| self.links.get(&link));
            let hears = link.is_some_and(|link| !link.stalled && !link.gone);
            if !client.is_live() || !hears || client.missed_signals {
                continue;
            }
            for ((room, thread), users) in &client.typing {
                let Some(number) = self.number_of(client.tenant, room) else {
                    continue;
                };
                if (client.shows.as_ref()).is_some_and(|shown| shown.as_ref() != Some(room)) {
                    continue;
                }
                for user in users {
                    ensure!(
                        self.people[client.tenant].may_type(user, (number, *thread), now),
                        "who is shown to type does",
                        "{user} in {room}, as {} sees it",
                        client.user
                    );
                }
            }
        }
        Ok(())
    }

    /// All trouble ends, time passes, and then everything is as it should be.
    pub(crate) fn quiet(&mut self) -> Checked {
        self.disk.process_ended();
        self.disk.set_full(false);
        (self.slow, self.blind, self.full) = (false, false, false);
        for link in self.links.values_mut() {
            link.stalled = false;
        }
        self.live_through(QUIET_MS)?;
        self.faulty = false;
        for spoken in 0..self.spoken.len() {
            self.check_spoken(spoken)?;
        }
        for index in 0..self.clients.len() {
            self.check_client(index)?;
        }
        for index in 0..self.clients.len() {
            self.audit(index);
        }
        self.live_through(1_500)?;
        for client in &self.clients {
            ensure!(
                !client.is_live() || client.pending.is_empty(),
                "one reply to each request",
                "{} waits for {:?}",
                client.user,
                client.pending
            );
        }
        Ok(())
    }

    fn check_client(&self, index: usize) -> Checked {
        let client = &self.clients[index];
        let state = client.machine.state();
        if !client.on || state == State::Stopped {
            return Ok(());
        }
        ensure!(
            state == State::Live,
            "clients come back",
            "{} of tenant {} is {state:?}",
            client.user,
            client.tenant
        );
        ensure!(
            client.pending.is_empty(),
            "one reply to each request",
            "{} waits for {:?}",
            client.user,
            client.pending
        );
        let link = client.link.and_then(|link| self.links.get(&link));
        ensure!(
            link.is_some_and(|link| link.revoked.is_none()),
            "nothing after revocation",
            "{} is still connected",
            client.user
        );
        let ledger = &self.ledgers[client.tenant];
        for id in crate::plan::ROOMS {
            let id = crate::actions::room_named(id);
            let Some(position) = client.machine.position(&id) else {
                continue;
            };
            let Some((_, room)) = ledger.by_id(&id) else {
                return Err(Broken::new("what is told is so", format!("{id} is joined")));
            };
            ensure!(
                room.sees(&client.user),
                "who is removed is told",
                "{} still hears {id}",
                client.user
            );
            let head = Position {
                epoch: room.epoch,
                seq: room.head,
            };
            ensure!(
                !room.keeps || position == head,
                "everybody comes up to the newest event",
                "{} is at {position:?} of {id}, which is at {head:?}",
                client.user
            );
        }
        let stream = ledger.stream_of(&client.user);
        let position = client.machine.place_position(&Stream::Personal.into());
        ensure!(
            position.is_none_or(|position| {
                stream.is_some_and(|stream| {
                    (stream.epoch, stream.head) == (position.epoch, position.seq)
                })
            }),
            "everybody comes up to the newest event",
            "{} is at {position:?} of {stream:?}",
            client.user
        );
        self.check_presence(index)
    }

    fn check_presence(&self, index: usize) -> Checked {
        let client = &self.clients[index];
        let ledger = &self.ledgers[client.tenant];
        if client.viewed_at != ledger.departures {
            // Whom it may see has changed since.
            return Ok(());
        }
        for (user, shown) in &client.view {
            if user != &client.user && !ledger.share_a_room(&client.user, user) {
                continue;
            }
            let availability = ledger.availability.get(user).copied().unwrap_or_default();
            let truth = self.people[client.tenant].presence(user, availability);
            ensure!(
                *shown == truth,
                "presence is true",
                "{user} is {truth:?}, and {} was told {shown:?}",
                client.user
            );
        }
        Ok(())
    }

    /// Asks for everything that can be compared.
    fn audit(&mut self, index: usize) {
        let client = &mut self.clients[index];
        if !client.is_live() {
            return;
        }
        let limit = |most: usize| u32::try_from(most).expect("a small limit");
        let rooms = Command::Ask {
            place: None,
            request: Request::Rooms {
                after: None,
                limit: limit(ROOMS_PAGE_MAX),
            },
        };
        client.ask(rooms, Asked::Audit(Audit::Rooms));
        for id in crate::plan::ROOMS {
            let room = crate::actions::room_named(id);
            if client.machine.position(&room).is_none() || of(&room).is_none() {
                continue;
            }
            let history = Command::History {
                room: room.clone(),
                direction: Direction::After,
                anchor: Seq(0),
                limit: limit(PAGE_EVENTS_MAX),
                thread: None,
            };
            client.ask(history, Asked::Audit(Audit::History(room.clone())));
            let members = Command::Members {
                room: room.clone(),
                after: None,
                limit: limit(MEMBERS_PAGE_MAX),
            };
            client.ask(members, Asked::Audit(Audit::Members(room)));
        }
    }

    /// An answer that is compared with the truth.
    pub(crate) fn judge_audit(&self, index: usize, audit: &Audit, outcome: Outcome) -> Checked {
        let client = &self.clients[index];
        let user = &client.user;
        let ledger = &self.ledgers[client.tenant];
        let answer = match outcome {
            Ok(answer) => answer,
            Err(error) => {
                // The app was ended by somebody else meanwhile.
                let over = !client.is_live();
                return if over {
                    Ok(())
                } else {
                    Err(Broken::new(
                        "what may be read is read",
                        format!("{user}: {audit:?}: {error}"),
                    ))
                };
            }
        };
        match (audit, answer) {
            (Audit::Rooms, Answer::Rooms(page)) => {
                let listed = page.rooms.iter();
                let mut listed: Vec<_> = listed
                    .filter(|entry| entry.standing == Standing::Member)
                    .map(|entry| entry.room)
                    .collect();
                listed.sort_unstable();
                let rooms = ledger.rooms.iter();
                let theirs = rooms.filter(|(_, room)| !room.is_stream && room.sees(user));
                let theirs: Vec<_> = theirs.map(|(number, _)| *number).collect();
                ensure!(
                    listed == theirs,
                    "lists are true",
                    "{user} is in {theirs:?}, and was told {listed:?}"
                );
                for entry in page.rooms {
                    let truth = ledger.unread(entry.room, user);
                    let room = &ledger.rooms[&entry.room];
                    let keeps = room.keeps;
                    let head = (room.epoch, room.head);
                    ensure!(
                        entry.members as usize == room.members.len()
                            && (!keeps || (entry.head.epoch, entry.head.seq) == head),
                        "lists are true",
                        "{} is at {head:?} with {:?}, and {user} was told {entry:?}",
                        entry.id,
                        room.members.keys()
                    );
                    ensure!(
                        !keeps || truth == Some((entry.mark, entry.unread)),
                        "unread is counted",
                        "{user} in {}: {truth:?}, and was told {:?}",
                        entry.id,
                        (entry.mark, entry.unread)
                    );
                }
                Ok(())
            }
            (Audit::Members(id), Answer::Members(page)) => {
                let room = ledger.by_id(id).map(|(_, room)| room);
                let members = room.map(|room| room.members.keys().cloned().collect::<Vec<_>>());
                ensure!(
                    members.as_ref() == Some(&page.users),
                    "lists are true",
                    "{id} has {members:?}, and {user} was told {:?}",
                    page.users
                );
                Ok(())
            }
            (Audit::History(id), Answer::Page(page)) => {
                let Some((_, room)) = ledger.by_id(id) else {
                    return Err(Broken::new("what is told is so", format!("{id}")));
                };
                check_page(user, room, &page.events)
            }
            (audit, answer) => {
                let seen = format!("{user}: {audit:?}: {answer:?}");
                Err(Broken::new("answers are to what was asked", seen))
            }
        }
    }
}
