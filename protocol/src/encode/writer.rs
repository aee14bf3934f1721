//! MessagePack values onto the end of a buffer, each in its shortest form.

use rmp::encode as msgpack;

use crate::{IdempotencyKey, Position, choice::Choice};

const GROWS: &str = "writing to a Vec cannot fail";

/// Writes values; whoever writes an array then writes as many values as it announced.
#[derive(Debug)]
pub(super) struct Writer<'o> {
    out: &'o mut Vec<u8>,
}

impl<'o> Writer<'o> {
    pub(super) const fn new(out: &'o mut Vec<u8>) -> Self {
        Self { out }
    }

    /// Begins an array of `count` values.
    pub(super) fn array(&mut self, count: usize) {
        let count = u32::try_from(count).expect("lists are far shorter than 2^32");
        msgpack::write_array_len(self.out, count).expect(GROWS);
    }

    pub(super) fn unsigned(&mut self, number: impl Into<u64>) {
        msgpack::write_uint(self.out, number.into()).expect(GROWS);
    }

    pub(super) fn optional_unsigned(&mut self, number: Option<u64>) {
        match number {
            Some(number) => self.unsigned(number),
            None => self.nil(),
        }
    }

    pub(super) fn choice(&mut self, choice: impl Choice) {
        self.unsigned(choice.number());
    }

    pub(super) fn boolean(&mut self, value: bool) {
        msgpack::write_bool(self.out, value).expect(GROWS);
    }

    pub(super) fn nil(&mut self) {
        msgpack::write_nil(self.out).expect(GROWS);
    }

    pub(super) fn text(&mut self, text: &str) {
        msgpack::write_str(self.out, text).expect(GROWS);
    }

    pub(super) fn optional_text(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.nil(),
        }
    }

    pub(super) fn key(&mut self, key: &IdempotencyKey) {
        msgpack::write_bin(self.out, &key.0).expect(GROWS);
    }

    pub(super) fn position(&mut self, position: Position) {
        self.array(2);
        self.unsigned(position.epoch.get());
        self.unsigned(position.seq.0);
    }

    /// An array of texts.
    pub(super) fn texts<'t>(&mut self, texts: impl ExactSizeIterator<Item = &'t str>) {
        self.array(texts.len());
        for text in texts {
            self.text(text);
        }
    }
}
