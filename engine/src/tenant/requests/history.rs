//! Pages of a room's past, as they are now: what was read, and what happened since over it.

use homeroom_protocol::{
    Direction, EventBody, Message, MessageState, Request, RoomKind, RoomNumber, Seq, ServerFrame,
    TimelineEvent, Timestamp, UserId, limit::PAGE_EVENTS_MAX,
};

use super::{Answer, Asked, Reply, said};
use crate::{
    domain::HistoryError,
    planted::{Fault, fault},
    tenant::{
        decide,
        history::{self, Fact, Question, Span, TimelinePage},
        refusal::Refusal,
        rooms::room::Room,
        state::Tenant,
    },
};

/// How a reader comes to know of the threads of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Summaries {
    /// Each root says it.
    Shown,
    /// By the replies, which are told one by one.
    Told,
}

impl Tenant {
    /// What must be read for a page.
    pub(super) fn history_needs(&self, user: &UserId, request: &Request) -> Option<Question> {
        let Request::History {
            room,
            direction,
            anchor,
            limit,
            thread,
        } = *request
        else {
            return None;
        };
        let known = self.rooms.get(room)?;
        let reads = known.has(user) || known.info.kind == RoomKind::Moderation;
        (reads && known.keeps_messages())
            .then(|| self.page_question(known, (thread, direction), (anchor, limit), user))
    }

    /// What must be read of a room for somebody who is shown what became of each message.
    pub(crate) fn page_question(
        &self,
        room: &Room,
        (thread, direction): (Option<Seq>, Direction),
        (anchor, limit): (Seq, u32),
        reader: &UserId,
    ) -> Question {
        Question::Timeline {
            span: Span {
                room: room.number,
                thread,
                direction,
                anchor,
                floor: room.floor(self.log_time(self.clock)),
                limit,
            },
            reader: Some(reader.clone()),
            complete_to: self.durable,
        }
    }

    pub(super) fn history(&self, asked: &Asked, request: &Request, answer: Answer) -> Reply {
        let Request::History {
            room,
            direction,
            anchor,
            limit,
            ..
        } = *request
        else {
            return Err(Refusal::NotHere);
        };
        let ground = self.ground_of(asked);
        ground.may_read()?;
        let known = ground.joined(room)?;
        let epoch = known.epoch;
        decide::check_limit(limit, PAGE_EVENTS_MAX)?;
        let page = self.timeline_of(known, (direction, asked.moment.now), answer)?;
        let page = self.page_now((room, asked.user()), (direction, anchor), page);
        said(ServerFrame::Page {
            id: asked.id,
            room,
            epoch,
            events: page.events,
            more: page.more,
            more_above: page.more_above,
        })
    }

    /// The part of a room's timeline that was looked up, as far as it is kept: a day may have ended since.
    pub(crate) fn timeline_of(
        &self,
        room: &Room,
        (direction, now): (Direction, Timestamp),
        answer: Answer,
    ) -> Result<TimelinePage, Refusal> {
        if !room.keeps_messages() {
            return Ok(TimelinePage::default());
        }
        let mut page = self.timeline(answer)?;
        let floor = room.floor(self.log_time(now));
        let read = page.events.len();
        page.events.retain(|event| event.seq >= floor);
        if page.events.len() < read {
            match direction {
                Direction::Before | Direction::Around => page.more = false,
                Direction::After => {}
            }
        }
        Ok(page)
    }

    /// The part of a timeline that was looked up.
    pub(crate) fn timeline(&self, answer: Answer) -> Result<TimelinePage, Refusal> {
        match answer {
            Some(Ok(Fact::Timeline { page, complete_to })) => {
                if self.recent.completes(complete_to) {
                    return Ok(page);
                }
                Err(self.overtaken())
            }
            // What is no longer kept is no longer there to be read.
            Some(Err(HistoryError::Trimmed)) => Ok(TimelinePage::default()),
            Some(Err(HistoryError::Unreadable)) => Err(self.unreadable()),
            Some(Err(HistoryError::Damaged)) => Err(self.damaged()),
            Some(Ok(Fact::Looked { .. })) | None => Err(self.overtaken()),
        }
    }

    /// A page that was read, as a reader is to see it now.
    pub(crate) fn page_now(
        &self,
        (number, reader): (RoomNumber, &UserId),
        (direction, anchor): (Direction, Seq),
        mut page: TimelinePage,
    ) -> TimelinePage {
        let Some(room) = self.rooms.get(number) else {
            return page;
        };
        self.hide_deleted(number, Summaries::Shown, &mut page.events);
        let (Some(first), Some(last)) = (page.events.first(), page.events.last()) else {
            return page;
        };
        let is_old = !self.recent.knows(number, (first.seq, last.seq));
        for event in &mut page.events {
            let EventBody::Message(message) = &mut event.body else {
                continue;
            };
            if !is_old {
                self.recent.over_shown((number, event.seq), reader, message);
            }
            show_standing(room, event.seq, message);
        }
        history::fit(&mut page, direction, anchor);
        page
    }

    /// Takes out of a page whatever was deleted: each message's place stays.
    pub(crate) fn hide_deleted(
        &self,
        number: RoomNumber,
        summaries: Summaries,
        events: &mut [TimelineEvent],
    ) {
        let Some(room) = self.rooms.get(number) else {
            return;
        };
        if fault(Fault::DeletedStillShown) {
            return;
        }
        for event in events {
            match &mut event.body {
                EventBody::Message(message) if !room.counting.is_live(event.seq) => {
                    event.body = EventBody::Tombstone {
                        thread: message.thread,
                        summary: match summaries {
                            Summaries::Shown => room.counting.thread(event.seq),
                            Summaries::Told => None,
                        },
                        by_moderator: room.deletions.was_by_moderator(event.seq),
                    };
                }
                EventBody::MessageEdited {
                    target, message, ..
                } if !room.counting.is_live(*target) => {
                    *message = Message {
                        thread: message.thread,
                        ..Message::default()
                    };
                }
                _ => {}
            }
        }
    }
}

/// Says of a message what is known here at any time: its thread, and whether it is pinned.
fn show_standing(room: &Room, seq: Seq, message: &mut Message) {
    let thread = room.counting.thread(seq);
    let pinned = room.pins.has(seq);
    if thread.is_none() && !pinned {
        return;
    }
    let state: &mut MessageState = message.state.get_or_insert_default();
    state.thread = thread;
    state.pinned = pinned;
}
