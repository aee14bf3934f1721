//! One MessagePack head at a time: a value without children, or the count of children that follow.
//! The only place that reads MessagePack bytes; every slice it takes is checked against what is there.

use rmp::Marker;

/// What one head says. Texts and binaries borrow their bytes; containers give only their count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Token<'a> {
    Nil,
    Bool(bool),
    Unsigned(u64),
    Negative(i64),
    Float,
    Text(&'a [u8]),
    Binary(&'a [u8]),
    /// Type and data, which no field of version 1 uses.
    Extension,
    Array(u32),
    /// Pairs, so twice as many values follow.
    Map(u32),
}

/// Why there is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenError {
    /// The bytes end inside it, or it claims more bytes than there are.
    Truncated,
    /// The byte 0xc1, which MessagePack never uses.
    Reserved,
}

/// A place in a slice, from which tokens are read in order.
#[derive(Debug, Clone)]
pub(crate) struct Tokens<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Tokens<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Offset of the next token.
    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    pub(crate) const fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// Whether the next token is nil; `false` at the end.
    pub(crate) fn next_is_nil(&self) -> bool {
        self.bytes.get(self.at) == Some(&NIL)
    }

    pub(crate) fn next(&mut self) -> Result<Token<'a>, TokenError> {
        let [marker] = self.take_array()?;
        Ok(match Marker::from_u8(marker) {
            Marker::Null => Token::Nil,
            Marker::False => Token::Bool(false),
            Marker::True => Token::Bool(true),
            Marker::FixPos(number) => Token::Unsigned(u64::from(number)),
            Marker::FixNeg(number) => Token::Negative(i64::from(number)),
            Marker::U8 => Token::Unsigned(u64::from(self.u8()?)),
            Marker::U16 => Token::Unsigned(u64::from(self.u16()?)),
            Marker::U32 => Token::Unsigned(u64::from(self.u32()?)),
            Marker::U64 => Token::Unsigned(u64::from_be_bytes(self.take_array()?)),
            Marker::I8 => signed(i64::from(i8::from_be_bytes(self.take_array()?))),
            Marker::I16 => signed(i64::from(i16::from_be_bytes(self.take_array()?))),
            Marker::I32 => signed(i64::from(i32::from_be_bytes(self.take_array()?))),
            Marker::I64 => signed(i64::from_be_bytes(self.take_array()?)),
            Marker::F32 => self.take_array::<4>().map(|_| Token::Float)?,
            Marker::F64 => self.take_array::<8>().map(|_| Token::Float)?,
            Marker::FixStr(bytes) => Token::Text(self.take(u32::from(bytes))?),
            Marker::Str8 => Token::Text(self.take_counted(Self::u8)?),
            Marker::Str16 => Token::Text(self.take_counted(Self::u16)?),
            Marker::Str32 => Token::Text(self.take_counted(Self::u32)?),
            Marker::Bin8 => Token::Binary(self.take_counted(Self::u8)?),
            Marker::Bin16 => Token::Binary(self.take_counted(Self::u16)?),
            Marker::Bin32 => Token::Binary(self.take_counted(Self::u32)?),
            Marker::FixExt1 => self.extension(1)?,
            Marker::FixExt2 => self.extension(2)?,
            Marker::FixExt4 => self.extension(4)?,
            Marker::FixExt8 => self.extension(8)?,
            Marker::FixExt16 => self.extension(16)?,
            Marker::Ext8 => self.u8().and_then(|bytes| self.extension(bytes.into()))?,
            Marker::Ext16 => self.u16().and_then(|bytes| self.extension(bytes.into()))?,
            Marker::Ext32 => self.u32().and_then(|bytes| self.extension(bytes))?,
            Marker::FixArray(count) => Token::Array(u32::from(count)),
            Marker::Array16 => Token::Array(u32::from(self.u16()?)),
            Marker::Array32 => Token::Array(self.u32()?),
            Marker::FixMap(pairs) => Token::Map(u32::from(pairs)),
            Marker::Map16 => Token::Map(u32::from(self.u16()?)),
            Marker::Map32 => Token::Map(self.u32()?),
            Marker::Reserved => return Err(TokenError::Reserved),
        })
    }

    /// Passes over `values` whole values, children included. Each step reads at least one byte, so
    /// claimed counts cost nothing beyond the bytes that are there.
    pub(crate) fn skip(&mut self, values: u64) -> Result<(), TokenError> {
        let mut left = values;
        while left > 0 {
            left -= 1;
            let children = match self.next()? {
                Token::Array(count) => u64::from(count),
                Token::Map(pairs) => 2 * u64::from(pairs),
                Token::Nil
                | Token::Bool(_)
                | Token::Unsigned(_)
                | Token::Negative(_)
                | Token::Float
                | Token::Text(_)
                | Token::Binary(_)
                | Token::Extension => 0,
            };
            left = left.saturating_add(children);
        }
        Ok(())
    }

    fn extension(&mut self, bytes: u32) -> Result<Token<'a>, TokenError> {
        let [_type] = self.take_array()?;
        self.take(bytes)?;
        Ok(Token::Extension)
    }

    fn take_counted<N: Into<u32>>(
        &mut self,
        count: impl FnOnce(&mut Self) -> Result<N, TokenError>,
    ) -> Result<&'a [u8], TokenError> {
        let bytes = count(self)?.into();
        self.take(bytes)
    }

    fn take(&mut self, bytes: u32) -> Result<&'a [u8], TokenError> {
        let rest = &self.bytes[self.at..];
        let taken = usize::try_from(bytes)
            .ok()
            .and_then(|bytes| rest.get(..bytes))
            .ok_or(TokenError::Truncated)?;
        self.at += taken.len();
        Ok(taken)
    }

    fn take_array<const N: usize>(&mut self) -> Result<[u8; N], TokenError> {
        let taken = *self.bytes[self.at..]
            .first_chunk()
            .ok_or(TokenError::Truncated)?;
        self.at += N;
        Ok(taken)
    }

    fn u8(&mut self) -> Result<u8, TokenError> {
        self.take_array().map(u8::from_be_bytes)
    }

    fn u16(&mut self) -> Result<u16, TokenError> {
        self.take_array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, TokenError> {
        self.take_array().map(u32::from_be_bytes)
    }
}

const NIL: u8 = 0xc0;

/// A signed form may hold a number that is not negative: then it is that number.
fn signed<'a>(number: i64) -> Token<'a> {
    u64::try_from(number).map_or(Token::Negative(number), Token::Unsigned)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every marker once, with the token it starts.
    #[test]
    fn every_marker_is_read_and_leaves_nothing_behind() {
        let text = |length: usize| vec![b'a'; length];
        let cases: Vec<(Vec<u8>, Token<'static>)> = vec![
            (vec![0x00], Token::Unsigned(0)),
            (vec![0x7f], Token::Unsigned(127)),
            (vec![0x80], Token::Map(0)),
            (vec![0x8f], Token::Map(15)),
            (vec![0x90], Token::Array(0)),
            (vec![0x9f], Token::Array(15)),
            (vec![0xa0], Token::Text(b"")),
            (vec![0xa1, b'a'], Token::Text(b"a")),
            (vec![0xc0], Token::Nil),
            (vec![0xc2], Token::Bool(false)),
            (vec![0xc3], Token::Bool(true)),
            (vec![0xc4, 1, 9], Token::Binary(&[9])),
            (vec![0xc5, 0, 1, 9], Token::Binary(&[9])),
            (vec![0xc6, 0, 0, 0, 1, 9], Token::Binary(&[9])),
            (vec![0xc7, 1, 5, 9], Token::Extension),
            (vec![0xc8, 0, 1, 5, 9], Token::Extension),
            (vec![0xc9, 0, 0, 0, 1, 5, 9], Token::Extension),
            (vec![0xca, 0, 0, 0, 0], Token::Float),
            (vec![0xcb, 0, 0, 0, 0, 0, 0, 0, 0], Token::Float),
            (vec![0xcc, 0xff], Token::Unsigned(0xff)),
            (vec![0xcd, 1, 2], Token::Unsigned(0x0102)),
            (vec![0xce, 1, 2, 3, 4], Token::Unsigned(0x0102_0304)),
            (
                vec![0xcf, 1, 2, 3, 4, 5, 6, 7, 8],
                Token::Unsigned(0x0102_0304_0506_0708),
            ),
            (vec![0xd0, 0xff], Token::Negative(-1)),
            (vec![0xd0, 0x05], Token::Unsigned(5)),
            (vec![0xd1, 0xff, 0xfe], Token::Negative(-2)),
            (vec![0xd2, 0xff, 0xff, 0xff, 0xfd], Token::Negative(-3)),
            (
                [vec![0xd3], (-4_i64).to_be_bytes().to_vec()].concat(),
                Token::Negative(-4),
            ),
            ([vec![0xd4, 5], text(1)].concat(), Token::Extension),
            ([vec![0xd5, 5], text(2)].concat(), Token::Extension),
            ([vec![0xd6, 5], text(4)].concat(), Token::Extension),
            ([vec![0xd7, 5], text(8)].concat(), Token::Extension),
            ([vec![0xd8, 5], text(16)].concat(), Token::Extension),
            (vec![0xd9, 1, b'a'], Token::Text(b"a")),
            (vec![0xda, 0, 1, b'a'], Token::Text(b"a")),
            (vec![0xdb, 0, 0, 0, 1, b'a'], Token::Text(b"a")),
            (vec![0xdc, 1, 0], Token::Array(256)),
            (vec![0xdd, 0, 1, 0, 0], Token::Array(65536)),
            (vec![0xde, 1, 0], Token::Map(256)),
            (vec![0xdf, 0, 1, 0, 0], Token::Map(65536)),
            (vec![0xff], Token::Negative(-1)),
            (vec![0xe0], Token::Negative(-32)),
        ];
        for (bytes, expected) in cases {
            let mut tokens = Tokens::new(&bytes);
            assert_eq!(tokens.next(), Ok(expected), "{bytes:02x?}");
            assert!(tokens.is_at_end(), "{bytes:02x?}");
            for length in 0..bytes.len() {
                let cut = Tokens::new(&bytes[..length]).next();
                assert_eq!(cut, Err(TokenError::Truncated), "{bytes:02x?} at {length}");
            }
        }
        assert_eq!(Tokens::new(&[0xc1]).next(), Err(TokenError::Reserved));
    }

    #[test]
    fn skipping_passes_over_children_and_stops_at_the_next_value() {
        // [[1, {2: "a"}], nil] 7
        let bytes = [0x92, 0x92, 0x01, 0x81, 0x02, 0xa1, b'a', 0xc0, 0x07];
        let mut tokens = Tokens::new(&bytes);
        tokens.skip(1).unwrap();
        assert_eq!(tokens.next(), Ok(Token::Unsigned(7)));
    }
}
