//! The fields of one frame in their order, each read by its type and named in its error.

use super::error::{FieldError, FrameProblem};
use crate::{
    Epoch, IdempotencyKey, InvalidId, Position, Seq, Timestamp, UserId,
    choice::Choice,
    limit,
    scan::Sender,
    token::{Token, Tokens},
};

/// Reads an array field by field. After the first error the frame is lost: its end is known from the
/// scan, so nothing is left to repair.
#[derive(Debug)]
pub(super) struct Fields<'t, 'a> {
    tokens: &'t mut Tokens<'a>,
    left: u32,
    /// Position in the frame of the field that comes next.
    index: u32,
    /// Inside another field all errors carry that field's position.
    is_nested: bool,
    /// What a server says is taken as it is: a later one may have higher limits and more choices.
    sender: Sender,
}

pub(super) type FieldResult<T> = Result<T, FrameProblem>;

impl<'t, 'a> Fields<'t, 'a> {
    /// Opens the array that a whole frame is.
    pub(super) fn of_frame(tokens: &'t mut Tokens<'a>, sender: Sender) -> FieldResult<Self> {
        let Ok(Token::Array(left)) = tokens.next() else {
            return Err(FrameProblem::NoKind);
        };
        Ok(Self {
            tokens,
            left,
            index: 0,
            is_nested: false,
            sender,
        })
    }

    pub(super) fn unsigned(&mut self, name: &'static str) -> FieldResult<u64> {
        self.unsigned_in(name, 0, limit::INTEGER_MAX)
    }

    /// A number whose range a later server may widen.
    pub(super) fn bounded_32(
        &mut self,
        name: &'static str,
        min: u32,
        max: u32,
    ) -> FieldResult<u32> {
        let (min, max) = match self.sender {
            Sender::Client => (min, max),
            Sender::Server => (0, u32::MAX),
        };
        let number = self.unsigned_in(name, min.into(), max.into())?;
        Ok(u32::try_from(number).expect("checked against a range within that of u32"))
    }

    /// The number of a form, 1 ..= `last`; from a server it may be one of a later version.
    pub(super) fn form(&mut self, name: &'static str, last: u64) -> FieldResult<u64> {
        match self.sender {
            Sender::Client => self.unsigned_in(name, 1, last),
            Sender::Server => self.unsigned(name),
        }
    }

    pub(super) fn unsigned_in(
        &mut self,
        name: &'static str,
        min: u64,
        max: u64,
    ) -> FieldResult<u64> {
        self.read(name, |token| {
            let Token::Unsigned(actual) = token else {
                return wrong_type("an unsigned integer");
            };
            if (min..=max).contains(&actual) {
                Ok(actual)
            } else {
                Err(FieldError::OutOfRange { actual, min, max })
            }
        })
    }

    /// A set of bits, of which a later server may know more than `known`.
    pub(super) fn set(&mut self, name: &'static str, known: u64) -> FieldResult<u64> {
        match self.sender {
            Sender::Client => self.unsigned_in(name, 0, known),
            Sender::Server => self.unsigned(name),
        }
    }

    pub(super) fn unsigned_32(&mut self, name: &'static str) -> FieldResult<u32> {
        let number = self.unsigned_in(name, 0, u64::from(u32::MAX))?;
        Ok(u32::try_from(number).expect("checked against the range of u32"))
    }

    pub(super) fn unsigned_16(&mut self, name: &'static str) -> FieldResult<u16> {
        let number = self.unsigned_in(name, 0, u64::from(u16::MAX))?;
        Ok(u16::try_from(number).expect("checked against the range of u16"))
    }

    pub(super) fn boolean(&mut self, name: &'static str) -> FieldResult<bool> {
        self.read(name, |token| match token {
            Token::Bool(value) => Ok(value),
            _ => wrong_type("a boolean"),
        })
    }

    /// `false` where it is absent.
    pub(super) fn flag(&mut self, name: &'static str) -> FieldResult<bool> {
        Ok(self
            .optional(|fields| fields.boolean(name))?
            .unwrap_or(false))
    }

    /// A text of at most `bytes_max` bytes.
    pub(super) fn text(&mut self, name: &'static str, bytes_max: usize) -> FieldResult<&'a str> {
        let bytes_max = self.bound(bytes_max);
        self.read(name, |token| {
            let Token::Text(bytes) = token else {
                return wrong_type("a text");
            };
            check_length(bytes.len(), bytes_max)?;
            std::str::from_utf8(bytes).or_else(|_| wrong_type("a text"))
        })
    }

    pub(super) fn optional_text(
        &mut self,
        name: &'static str,
        bytes_max: usize,
    ) -> FieldResult<Option<String>> {
        self.optional(|fields| Ok(fields.text(name, bytes_max)?.to_owned()))
    }

    /// At most `bytes_max` opaque bytes.
    pub(super) fn bytes(&mut self, name: &'static str, bytes_max: usize) -> FieldResult<Vec<u8>> {
        let bytes_max = self.bound(bytes_max);
        self.read(name, |token| {
            let Token::Binary(bytes) = token else {
                return wrong_type("bytes");
            };
            check_length(bytes.len(), bytes_max)?;
            Ok(bytes.to_vec())
        })
    }

    /// None where they are absent.
    pub(super) fn bytes_or_none(
        &mut self,
        name: &'static str,
        bytes_max: usize,
    ) -> FieldResult<Vec<u8>> {
        let bytes = self.optional(|fields| fields.bytes(name, bytes_max))?;
        Ok(bytes.unwrap_or_default())
    }

    fn bound(&self, max: usize) -> usize {
        match self.sender {
            Sender::Client => max,
            Sender::Server => usize::MAX,
        }
    }

    /// An id that its own constructor checks.
    pub(super) fn id<T>(
        &mut self,
        name: &'static str,
        new: impl FnOnce(&'a str) -> Result<T, InvalidId>,
    ) -> FieldResult<T> {
        let index = self.index;
        let text = self.text(name, usize::MAX)?;
        new(text).map_err(|error| problem(name, index, error.into()))
    }

    /// One of a few that only a client says.
    pub(super) fn choice<C: Choice>(&mut self, name: &'static str) -> FieldResult<C> {
        let (first, last) = (C::ALL[0].number(), C::ALL[C::ALL.len() - 1].number());
        let number = self.unsigned_in(name, first, last)?;
        Ok(C::from_number(number).expect("the numbers of a choice are dense"))
    }

    /// One of a few, where a server's number of a later version gives nothing.
    pub(super) fn known_choice<C: Choice>(&mut self, name: &'static str) -> FieldResult<Option<C>> {
        match self.sender {
            Sender::Client => self.choice(name).map(Some),
            Sender::Server => self.unsigned(name).map(C::from_number),
        }
    }

    /// One of a few, where a server's number of a later version means `unknown`.
    pub(super) fn choice_or<C: Choice>(
        &mut self,
        name: &'static str,
        unknown: C,
    ) -> FieldResult<C> {
        Ok(self.known_choice(name)?.unwrap_or(unknown))
    }

    /// One of a few that may be absent.
    pub(super) fn choice_or_default<C: Choice + Default>(
        &mut self,
        name: &'static str,
        unknown: C,
    ) -> FieldResult<C> {
        let choice = self.optional(|fields| fields.choice_or(name, unknown))?;
        Ok(choice.unwrap_or_default())
    }

    pub(super) fn key(&mut self, name: &'static str) -> FieldResult<IdempotencyKey> {
        self.read(name, |token| match token {
            Token::Binary(bytes) => <[u8; 16]>::try_from(bytes)
                .map(IdempotencyKey)
                .or_else(|_| wrong_type("16 bytes")),
            _ => wrong_type("16 bytes"),
        })
    }

    pub(super) fn epoch(&mut self, name: &'static str) -> FieldResult<Epoch> {
        let number = self.unsigned_in(name, 1, limit::INTEGER_MAX)?;
        Ok(Epoch::new(number).expect("checked against the range of epochs"))
    }

    /// `[epoch, seq]`; the names are those of the whole, of the epoch and of the seq.
    pub(super) fn position(&mut self, names: [&'static str; 3]) -> FieldResult<Position> {
        let [whole, epoch, seq] = names;
        self.nested(whole, |fields| {
            Ok(Position {
                epoch: fields.epoch(epoch)?,
                seq: Seq(fields.unsigned(seq)?),
            })
        })
    }

    pub(super) fn seq(&mut self, name: &'static str) -> FieldResult<Seq> {
        self.unsigned(name).map(Seq)
    }

    pub(super) fn optional_seq(&mut self, name: &'static str) -> FieldResult<Option<Seq>> {
        self.optional(|fields| fields.seq(name))
    }

    pub(super) fn optional_time(&mut self, name: &'static str) -> FieldResult<Option<Timestamp>> {
        self.optional(|fields| fields.unsigned(name).map(Timestamp))
    }

    pub(super) fn user(&mut self, name: &'static str) -> FieldResult<UserId> {
        self.id(name, UserId::new)
    }

    /// An array of users; the names are those of the whole and of each.
    pub(super) fn users(
        &mut self,
        [whole, each]: [&'static str; 2],
        count_max: usize,
    ) -> FieldResult<Vec<UserId>> {
        self.list(whole, count_max, |users| users.user(each))
    }

    /// A field that may be nil, or missing with all that would follow it.
    pub(super) fn optional<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> FieldResult<T>,
    ) -> FieldResult<Option<T>> {
        if self.left == 0 {
            // The error of what is missing behind it names its place.
            self.pass();
            return Ok(None);
        }
        if self.tokens.next_is_nil() {
            self.read("", |_| Ok(()))?;
            return Ok(None);
        }
        read(self).map(Some)
    }

    /// An array with fields of its own, whose unknown trailing ones are passed over too.
    pub(super) fn nested<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Fields<'_, 'a>) -> FieldResult<T>,
    ) -> FieldResult<T> {
        let index = self.index;
        let left = self.array(name)?;
        let mut fields = Fields {
            tokens: self.tokens,
            left,
            index,
            is_nested: true,
            sender: self.sender,
        };
        let value = read(&mut fields)?;
        let unknown = fields.left;
        self.tokens
            .skip(unknown.into())
            .map_err(|_| problem(name, index, FieldError::Missing))?;
        Ok(value)
    }

    /// An array with fields of its own, each of which has a default, as it has itself.
    pub(super) fn nested_or_default<T: Default>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Fields<'_, 'a>) -> FieldResult<T>,
    ) -> FieldResult<T> {
        let value = self.optional(|fields| fields.nested(name, read))?;
        Ok(value.unwrap_or_default())
    }

    /// A list that may be absent, which is the same as empty.
    pub(super) fn list_or_none<T>(
        &mut self,
        name: &'static str,
        count_max: usize,
        read: impl FnMut(&mut Fields<'_, 'a>) -> FieldResult<T>,
    ) -> FieldResult<Vec<T>> {
        let list = self.optional(|fields| fields.list(name, count_max, read))?;
        Ok(list.unwrap_or_default())
    }

    /// An array of at most `count_max` elements that are all read alike.
    pub(super) fn list<T>(
        &mut self,
        name: &'static str,
        count_max: usize,
        mut read: impl FnMut(&mut Fields<'_, 'a>) -> FieldResult<T>,
    ) -> FieldResult<Vec<T>> {
        let index = self.index;
        let count_max = self.bound(count_max);
        let count = self.array(name)?;
        check_length(count as usize, count_max).map_err(|error| problem(name, index, error))?;
        let mut fields = Fields {
            tokens: self.tokens,
            left: count,
            index,
            is_nested: true,
            sender: self.sender,
        };
        // Safe to believe: the scan saw this many elements.
        let mut list = Vec::with_capacity((count as usize).min(limit::ELEMENTS_MAX));
        for _ in 0..count {
            list.push(read(&mut fields)?);
        }
        Ok(list)
    }

    fn pass(&mut self) {
        if !self.is_nested {
            self.index += 1;
        }
    }

    fn array(&mut self, name: &'static str) -> FieldResult<u32> {
        self.read(name, |token| match token {
            Token::Array(count) => Ok(count),
            _ => wrong_type("an array"),
        })
    }

    fn read<T>(
        &mut self,
        name: &'static str,
        convert: impl FnOnce(Token<'a>) -> Result<T, FieldError>,
    ) -> FieldResult<T> {
        let index = self.index;
        let missing = problem(name, index, FieldError::Missing);
        self.left = self.left.checked_sub(1).ok_or(missing)?;
        self.pass();
        let token = self.tokens.next().map_err(|_| missing)?;
        convert(token).map_err(|error| problem(name, index, error))
    }
}

const fn problem(name: &'static str, index: u32, error: FieldError) -> FrameProblem {
    FrameProblem::Field { name, index, error }
}

const fn wrong_type<T>(expected: &'static str) -> Result<T, FieldError> {
    Err(FieldError::WrongType { expected })
}

const fn check_length(actual: usize, max: usize) -> Result<(), FieldError> {
    if actual > max {
        return Err(FieldError::TooLong {
            actual: actual as u64,
            max: max as u64,
        });
    }
    Ok(())
}
