//! A stored event at a glance: where it stands, without a word of what was said.
//!
//! The index takes in every event there is, and of nearly all it wants their place alone. To decode all of
//! a message for that is most of what indexing it takes.

use homeroom_protocol::{Epoch, RoomNumber, Seq, Timestamp, kind, limit::INTEGER_MAX};
use rmp::decode as msgpack;

use super::stored::{EVENT, EVENT_FIELDS, VERSION};

const NIL: u8 = 0xc0;

/// A message in no thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) room: RoomNumber,
    pub(crate) seq: Seq,
    pub(crate) time: Timestamp,
}

/// The place of a message in no thread; `None` for all else, which is to be decoded. Names, texts and what else
/// a message may have are passed over: the log vouches for its bytes, and whoever wants those decodes them.
pub(crate) fn said(bytes: &[u8]) -> Option<Said> {
    let mut rest = Rest(bytes);
    let is_event = rest.array()? == EVENT_FIELDS
        && rest.number()? == u64::from(EVENT)
        && rest.number()? == u64::from(VERSION);
    if !is_event {
        return None;
    }
    let room = RoomNumber(
        u32::try_from(rest.number()?)
            .ok()
            .filter(|room| *room > 0)?,
    );
    Epoch::new(rest.number()?).ok()?;
    let seq = Seq(rest.number()?);
    let time = Timestamp(rest.number()?);
    let _author = rest.text()?;
    let _key = rest.optional_bin()?;
    let _digest = rest.optional_bin()?;
    let mut body = Rest(rest.bin()?);
    if !rest.0.is_empty() || !(1..=INTEGER_MAX).contains(&seq.0) {
        return None;
    }
    let fields = body.array()?;
    if body.number()? != u64::from(kind::body::MESSAGE) {
        return None;
    }
    let _text = body.text()?;
    let is_in_thread = fields > 2 && body.0.first()? != &NIL;
    (!is_in_thread).then_some(Said { room, seq, time })
}

/// What is not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn array(&mut self) -> Option<u32> {
        msgpack::read_array_len(&mut self.0).ok()
    }

    fn number(&mut self) -> Option<u64> {
        msgpack::read_int(&mut self.0).ok()
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let length = msgpack::read_str_len(&mut self.0).ok()?;
        self.take(length)
    }

    fn bin(&mut self) -> Option<&'a [u8]> {
        let length = msgpack::read_bin_len(&mut self.0).ok()?;
        self.take(length)
    }

    fn optional_bin(&mut self) -> Option<Option<&'a [u8]>> {
        if self.0.first()? == &NIL {
            self.take(1)?;
            return Some(None);
        }
        self.bin().map(Some)
    }

    fn take(&mut self, length: u32) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(taken)
    }
}
