//! MessagePack values onto the end of a buffer, each in its shortest form.

use crate::{IdempotencyKey, Position, choice::Choice};

/// Writes values; whoever writes an array then writes as many values as it announced.
#[derive(Debug)]
pub(super) struct Writer<'o> {
    out: &'o mut Vec<u8>,
}

impl<'o> Writer<'o> {
    pub(super) const fn new(out: &'o mut Vec<u8>) -> Self {
        Self { out }
    }

    /// An array of fields, which are counted as they are written.
    pub(super) fn record(&mut self, write: impl FnOnce(&mut Record<'_, 'o>)) {
        let start = self.out.len();
        self.out.push(EMPTY_ARRAY);
        let mut record = Record {
            kept: 0,
            kept_to: self.out.len(),
            count: 0,
            out: self,
        };
        write(&mut record);
        let (count, end) = (record.kept, record.kept_to);
        self.out.truncate(end);
        self.count_at(start, count);
    }

    /// Puts the count of an array where one byte was left for it.
    fn count_at(&mut self, start: usize, count: u16) {
        match u8::try_from(count) {
            Ok(count @ 0..16) => self.out[start] = EMPTY_ARRAY | count,
            _ => {
                let [high, low] = count.to_be_bytes();
                self.out.splice(start..=start, [ARRAY_16, high, low]);
            }
        }
    }

    /// Begins an array of `count` values.
    fn array(&mut self, count: usize) {
        match u8::try_from(count) {
            Ok(count @ 0..16) => self.out.push(EMPTY_ARRAY | count),
            _ => self.length(count, None, [ARRAY_16, ARRAY_32]),
        }
    }

    pub(super) fn unsigned(&mut self, number: impl Into<u64>) {
        let number = number.into();
        let [a, b, c, d, e, f, g, h] = number.to_be_bytes();
        match number {
            0..0x80 => self.out.push(h),
            0x80..0x100 => self.out.extend_from_slice(&[UNSIGNED_8, h]),
            0x100..0x1_0000 => self.out.extend_from_slice(&[UNSIGNED_16, g, h]),
            0x1_0000..0x1_0000_0000 => self.out.extend_from_slice(&[UNSIGNED_32, e, f, g, h]),
            _ => (self.out).extend_from_slice(&[UNSIGNED_64, a, b, c, d, e, f, g, h]),
        }
    }

    pub(super) fn text(&mut self, text: &str) {
        match u8::try_from(text.len()) {
            Ok(length @ 0..32) => self.out.push(EMPTY_TEXT | length),
            _ => self.length(text.len(), Some(TEXT_8), [TEXT_16, TEXT_32]),
        }
        self.out.extend_from_slice(text.as_bytes());
    }

    fn boolean(&mut self, value: bool) {
        self.out.push(if value { TRUE } else { FALSE });
    }

    fn nil(&mut self) {
        self.out.push(NIL);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.length(bytes.len(), Some(BYTES_8), [BYTES_16, BYTES_32]);
        self.out.extend_from_slice(bytes);
    }

    /// A length in one byte where there is a marker for that, else in two or four.
    fn length(&mut self, length: usize, in_one: Option<u8>, [in_two, in_four]: [u8; 2]) {
        let length = u32::try_from(length).expect("what is written is far shorter than 2^32");
        let [a, b, c, d] = length.to_be_bytes();
        match (length, in_one) {
            (0..0x100, Some(in_one)) => self.out.extend_from_slice(&[in_one, d]),
            (0..0x1_0000, _) => self.out.extend_from_slice(&[in_two, c, d]),
            _ => self.out.extend_from_slice(&[in_four, a, b, c, d]),
        }
    }
}

const NIL: u8 = 0xc0;
const FALSE: u8 = 0xc2;
const TRUE: u8 = 0xc3;
const BYTES_8: u8 = 0xc4;
const BYTES_16: u8 = 0xc5;
const BYTES_32: u8 = 0xc6;
const UNSIGNED_8: u8 = 0xcc;
const UNSIGNED_16: u8 = 0xcd;
const UNSIGNED_32: u8 = 0xce;
const UNSIGNED_64: u8 = 0xcf;
const TEXT_8: u8 = 0xd9;
const TEXT_16: u8 = 0xda;
const TEXT_32: u8 = 0xdb;
/// `0xa0 | n` is a text of `n` bytes, up to 31.
const EMPTY_TEXT: u8 = 0xa0;
/// `0x90 | n` is an array of `n` values, up to 15.
const EMPTY_ARRAY: u8 = 0x90;
/// An array with its count in two bytes.
const ARRAY_16: u8 = 0xdc;
const ARRAY_32: u8 = 0xdd;

/// The fields of one array in their order. Those at its end that hold their default (0, `false`, nothing)
/// are left out, unless [`Record::keep`] was said behind them: so what a later version adds costs nothing
/// where it is not used, and leaves the bytes of an earlier one as they were.
#[derive(Debug)]
pub(super) struct Record<'w, 'o> {
    out: &'w mut Writer<'o>,
    /// Fields written.
    count: u16,
    /// Those of them that stay.
    kept: u16,
    /// Where they end.
    kept_to: usize,
}

impl<'o> Record<'_, 'o> {
    /// Whatever was written so far stays, default or not.
    pub(super) fn keep(&mut self) {
        self.kept = self.count;
        self.kept_to = self.out.out.len();
    }

    fn field(&mut self, is_default: bool, write: impl FnOnce(&mut Writer<'o>)) -> &mut Self {
        write(self.out);
        self.count += 1;
        if !is_default {
            self.keep();
        }
        self
    }

    pub(super) fn unsigned(&mut self, number: impl Into<u64>) -> &mut Self {
        let number = number.into();
        self.field(number == 0, |out| out.unsigned(number))
    }

    pub(super) fn optional_unsigned(&mut self, number: Option<impl Into<u64>>) -> &mut Self {
        match number {
            Some(number) => self.field(false, |out| out.unsigned(number)),
            None => self.nil(),
        }
    }

    /// A choice that is always there.
    pub(super) fn choice(&mut self, choice: impl Choice) -> &mut Self {
        self.field(false, |out| out.unsigned(choice.number()))
    }

    pub(super) fn choice_or_default<C: Choice + Default + PartialEq>(
        &mut self,
        choice: C,
    ) -> &mut Self {
        self.field(choice == C::default(), |out| out.unsigned(choice.number()))
    }

    pub(super) fn optional_choice(&mut self, choice: Option<impl Choice>) -> &mut Self {
        self.optional_unsigned(choice.map(Choice::number))
    }

    pub(super) fn boolean(&mut self, value: bool) -> &mut Self {
        self.field(!value, |out| out.boolean(value))
    }

    pub(super) fn nil(&mut self) -> &mut Self {
        self.field(true, Writer::nil)
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.field(text.is_empty(), |out| out.text(text))
    }

    pub(super) fn optional_text(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.field(false, |out| out.text(text)),
            None => self.nil(),
        }
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.field(bytes.is_empty(), |out| out.bytes(bytes))
    }

    pub(super) fn key(&mut self, key: &IdempotencyKey) -> &mut Self {
        self.bytes(&key.0)
    }

    pub(super) fn position(&mut self, position: Position) -> &mut Self {
        self.record(|fields| {
            fields
                .unsigned(position.epoch.get())
                .unsigned(position.seq.0)
                .keep();
        })
    }

    pub(super) fn optional_position(&mut self, position: Option<Position>) -> &mut Self {
        match position {
            Some(position) => self.position(position),
            None => self.nil(),
        }
    }

    /// An array of texts.
    pub(super) fn texts<'t>(
        &mut self,
        texts: impl IntoIterator<Item = &'t str, IntoIter: ExactSizeIterator>,
    ) -> &mut Self {
        self.list(texts, |text, out| out.text(text))
    }

    /// An array of values that are all written alike, each by one call that writes one value.
    pub(super) fn list<T>(
        &mut self,
        items: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
        mut write: impl FnMut(T, &mut Writer<'o>),
    ) -> &mut Self {
        let items = items.into_iter();
        self.field(items.len() == 0, |out| {
            out.array(items.len());
            items.for_each(|item| write(item, out));
        })
    }

    /// A list that may be absent, which is not the same as empty.
    pub(super) fn optional_list<T>(
        &mut self,
        items: Option<impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>>,
        write: impl FnMut(T, &mut Writer<'o>),
    ) -> &mut Self {
        match items {
            Some(items) => {
                self.list(items, write).keep();
                self
            }
            None => self.nil(),
        }
    }

    /// An array of fields inside this one; always there.
    pub(super) fn record(&mut self, write: impl FnOnce(&mut Record<'_, 'o>)) -> &mut Self {
        self.field(false, |out| out.record(write))
    }

    /// An array of fields that may be absent.
    pub(super) fn optional_record<T>(
        &mut self,
        value: Option<T>,
        write: impl FnOnce(T, &mut Record<'_, 'o>),
    ) -> &mut Self {
        match value {
            Some(value) => self.record(|fields| write(value, fields)),
            None => self.nil(),
        }
    }
}
