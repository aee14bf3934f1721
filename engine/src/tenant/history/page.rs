//! Pages of a timeline: bounded, in the order of seq, with what became of each message.

use homeroom_protocol::{
    Direction, EventBody, MessageState, RoomNumber, Seq, TimelineEvent, UserId,
    limit::{PAGE_BYTES_MAX, PAGE_EVENTS_MAX},
};

use super::{
    Span, TimelinePage, event_at, log_position,
    message::{State, edit_at, show_own, states},
    rows::{after, thread_key, timeline_key},
};
use crate::{
    domain::{History, HistoryError},
    hub::body_bytes,
    index::{Found, Order},
    log::LogPosition,
    tenant::records::hashing::Hashing,
};

/// Reads a page, with the events as they happened.
pub(super) fn read(history: &dyn History, span: &Span) -> Result<TimelinePage, HistoryError> {
    let limit = (span.limit as usize).min(PAGE_EVENTS_MAX);
    let above = Seq(span.anchor.0.saturating_add(1));
    match span.direction {
        Direction::Before => {
            let (events, more) = below(history, span, (limit, PAGE_BYTES_MAX))?;
            Ok(TimelinePage {
                events,
                more,
                more_above: false,
            })
        }
        Direction::After => {
            let (events, more) = from(history, span, above, (limit, PAGE_BYTES_MAX))?;
            Ok(TimelinePage {
                events,
                more,
                more_above: false,
            })
        }
        Direction::Around => {
            let (mut events, more) = below(history, span, (limit / 2, PAGE_BYTES_MAX / 2))?;
            let bounds = (limit - events.len(), PAGE_BYTES_MAX / 2);
            let (upper, more_above) = from(history, span, span.anchor, bounds)?;
            events.extend(upper);
            Ok(TimelinePage {
                events,
                more,
                more_above,
            })
        }
    }
}

/// The events just below the anchor, and whether there are more.
fn below(
    history: &dyn History,
    span: &Span,
    bounds: (usize, usize),
) -> Result<(Vec<TimelineEvent>, bool), HistoryError> {
    let range = (key(span, span.floor), key(span, span.anchor));
    let (mut events, more) = scan(history, range, Order::Descending, bounds)?;
    events.reverse();
    Ok((events, more))
}

/// The events from a place on, and whether there are more.
fn from(
    history: &dyn History,
    span: &Span,
    first: Seq,
    bounds: (usize, usize),
) -> Result<(Vec<TimelineEvent>, bool), HistoryError> {
    let end = after(key(span, Seq(u64::MAX)));
    let range = (key(span, first.max(span.floor)), end);
    scan(history, range, Order::Ascending, bounds)
}

fn key(span: &Span, seq: Seq) -> Vec<u8> {
    match span.thread {
        Some(root) => thread_key(span.room, root, seq),
        None => timeline_key(span.room, seq),
    }
}

/// At most as many events and bytes as the bounds say, but one at least, unless none is wanted.
fn scan(
    history: &dyn History,
    (from, to): (Vec<u8>, Vec<u8>),
    order: Order,
    (limit, bytes_max): (usize, usize),
) -> Result<(Vec<TimelineEvent>, bool), HistoryError> {
    if from >= to {
        return Ok((Vec::new(), false));
    }
    // One more than wanted tells whether there are more.
    let found = history.range(&from, &to, order, limit + 1)?;
    let mut places: Vec<_> = found.iter().take(limit).filter_map(place).collect();
    places.sort_unstable();
    history.will_read(&places);
    let mut events = Vec::new();
    let mut bytes = 0;
    for (_, value) in found.iter().take(limit) {
        let event = event_at(history, value)?.into_timeline();
        bytes += body_bytes(&event.body);
        if bytes > bytes_max && !events.is_empty() {
            break;
        }
        events.push(event);
    }
    let more = found.len() > events.len();
    Ok((events, more))
}

/// Where a row leads; what leads nowhere is met when it is read.
fn place((_, value): &Found) -> Option<LogPosition> {
    log_position(value)
}

/// Gives each message its newest content and its reactions.
pub(super) fn show_state(
    history: &dyn History,
    hashing: &Hashing,
    span: &Span,
    reader: &UserId,
    events: &mut [TimelineEvent],
) -> Result<(), HistoryError> {
    let (Some(first), Some(last)) = (events.first(), events.last()) else {
        return Ok(());
    };
    // Replies of a thread may be far apart, with the states of half a room between them.
    let mut all = match span.thread {
        None => states(history, span.room, (first.seq, last.seq))?,
        Some(_) => std::collections::BTreeMap::new(),
    };
    for event in events {
        let EventBody::Message(_) = event.body else {
            continue;
        };
        let state = match span.thread {
            None => all.remove(&event.seq),
            Some(_) => states(history, span.room, (event.seq, event.seq))?.remove(&event.seq),
        };
        if let Some(state) = state {
            show(history, hashing, (span.room, reader), event, state)?;
        }
    }
    Ok(())
}

fn show(
    history: &dyn History,
    hashing: &Hashing,
    (room, reader): (RoomNumber, &UserId),
    event: &mut TimelineEvent,
    state: State,
) -> Result<(), HistoryError> {
    let EventBody::Message(message) = &mut event.body else {
        return Ok(());
    };
    let State {
        edited,
        mut reactions,
    } = state;
    let mut shown = MessageState::default();
    if let Some(at) = edited {
        let (newest, version, time) = edit_at(history, &at)?;
        *message = newest;
        shown.version = version;
        shown.edited = Some(time);
    }
    show_own(history, hashing, (room, event.seq), reader, &mut reactions)?;
    shown.reactions = reactions;
    if shown != MessageState::default() {
        message.state = Some(Box::new(shown));
    }
    Ok(())
}

/// Drops events until the page is within its bytes: those farthest from the anchor, which are then more.
pub(crate) fn fit(page: &mut TimelinePage, direction: Direction, anchor: Seq) {
    let mut bytes: usize = page
        .events
        .iter()
        .map(|event| body_bytes(&event.body))
        .sum();
    while bytes > PAGE_BYTES_MAX && page.events.len() > 1 {
        let (Some(first), Some(last)) = (page.events.first(), page.events.last()) else {
            return;
        };
        let from_below = match direction {
            Direction::Before => true,
            Direction::After => false,
            Direction::Around => {
                anchor.0.saturating_sub(first.seq.0) > last.seq.0.saturating_sub(anchor.0)
            }
        };
        let dropped = if from_below {
            page.more = true;
            page.events.remove(0)
        } else {
            match direction {
                Direction::Around => page.more_above = true,
                Direction::Before | Direction::After => page.more = true,
            }
            page.events.pop().expect("there is more than one")
        };
        bytes -= body_bytes(&dropped.body);
    }
}
