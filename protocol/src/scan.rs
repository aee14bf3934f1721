//! One walk over a whole WebSocket message before anything is allocated or believed: it proves that
//! the bytes are well-formed MessagePack within the limits, and finds where each frame ends.
//! It keeps a fixed stack of counters, so depth and claimed lengths cost nothing.

use crate::{
    CloseCode, ErrorCode, limit,
    token::{Token, TokenError, Tokens},
};

/// Why a message was refused as a whole: none of its frames can be trusted. The sender is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// The message is larger than the receiver takes; nothing of it was read.
    #[error("the message has {actual} bytes, the limit is {max}")]
    MessageTooBig {
        /// Bytes of the message.
        actual: usize,
        /// Most it may have.
        max: usize,
    },
    /// The message holds no frame.
    #[error("the message is empty")]
    Empty,
    /// The message holds more than [`limit::FRAMES_PER_MESSAGE_MAX`] frames.
    #[error("the message holds more than {} frames", limit::FRAMES_PER_MESSAGE_MAX)]
    TooManyFrames,
    /// A value of the message is not an array.
    #[error("the value at byte {at} is not an array")]
    NotAnArray {
        /// Where the value begins.
        at: usize,
    },
    /// The bytes end inside a value, or a value claims more bytes than there are.
    #[error("the value at byte {at} is longer than the message")]
    Truncated {
        /// Where the value begins.
        at: usize,
    },
    /// The byte 0xc1, which MessagePack never uses.
    #[error("the byte 0xc1 at {at} is not MessagePack")]
    Reserved {
        /// Where it is.
        at: usize,
    },
    /// Arrays and maps nest deeper than [`limit::DEPTH_MAX`].
    #[error(
        "the container at byte {at} is nested deeper than {}",
        limit::DEPTH_MAX
    )]
    TooDeep {
        /// Where the container begins.
        at: usize,
    },
    /// One frame has more than [`limit::ELEMENTS_MAX`] or [`limit::SERVER_ELEMENTS_MAX`] elements.
    #[error("the container at byte {at} makes more than {max} elements")]
    TooManyElements {
        /// Where the container begins that goes over the limit.
        at: usize,
        /// Most there may be.
        max: usize,
    },
    /// An integer is farther from zero than [`limit::INTEGER_MAX`].
    #[error("the integer at byte {at} does not fit 53 bits")]
    IntegerTooLarge {
        /// Where it begins.
        at: usize,
    },
    /// A text is not UTF-8.
    #[error("the text at byte {at} is not UTF-8")]
    NotUtf8 {
        /// Where it begins.
        at: usize,
    },
}

impl ScanError {
    /// The error to answer with: always [`ErrorCode::Malformed`].
    #[must_use]
    pub const fn error_code(self) -> ErrorCode {
        ErrorCode::Malformed
    }

    /// The code to close the connection with: a peer whose bytes cannot be told apart is not heard on.
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::MessageTooBig { .. } => CloseCode::MessageTooBig,
            Self::Empty
            | Self::TooManyFrames
            | Self::NotAnArray { .. }
            | Self::Truncated { .. }
            | Self::Reserved { .. }
            | Self::TooDeep { .. }
            | Self::TooManyElements { .. }
            | Self::IntegerTooLarge { .. }
            | Self::NotUtf8 { .. } => CloseCode::Protocol,
        }
    }
}

/// A message that passed the scan; iterates over the bytes of its frames, in their order.
#[derive(Debug, Clone)]
pub struct Scanned<'a> {
    rest: &'a [u8],
    frames: usize,
}

/// Whose bytes they are: a client may be hostile, and pays for what it makes a server walk over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// A client.
    Client,
    /// A server.
    Server,
}

impl Sender {
    const fn elements_max(self) -> usize {
        match self {
            Self::Client => limit::ELEMENTS_MAX,
            Self::Server => limit::SERVER_ELEMENTS_MAX,
        }
    }
}

/// Checks a whole message of at most `bytes_max` bytes against the limits of [`limit`].
///
/// # Errors
/// [`ScanError`]: the first thing that is wrong, and where.
pub fn scan(message: &[u8], bytes_max: usize, sender: Sender) -> Result<Scanned<'_>, ScanError> {
    if message.len() > bytes_max {
        return Err(ScanError::MessageTooBig {
            actual: message.len(),
            max: bytes_max,
        });
    }
    if message.is_empty() {
        return Err(ScanError::Empty);
    }
    let mut tokens = Tokens::new(message);
    let mut frames = 0;
    while !tokens.is_at_end() {
        if frames == limit::FRAMES_PER_MESSAGE_MAX {
            return Err(ScanError::TooManyFrames);
        }
        scan_frame(&mut tokens, sender.elements_max())?;
        frames += 1;
    }
    Ok(Scanned {
        rest: message,
        frames,
    })
}

impl<'a> Iterator for Scanned<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let length = match self.frames {
            0 => return None,
            // The last frame, which for most messages is the only one, needs no second walk.
            1 => self.rest.len(),
            _ => {
                let mut tokens = Tokens::new(self.rest);
                tokens.skip(1).expect("the scan walked these bytes");
                tokens.at()
            }
        };
        let (frame, rest) = self.rest.split_at(length);
        self.rest = rest;
        self.frames -= 1;
        Some(frame)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.frames, Some(self.frames))
    }
}

impl ExactSizeIterator for Scanned<'_> {}

/// Walks over one frame: an array and all that is in it.
fn scan_frame(tokens: &mut Tokens<'_>, elements_max: usize) -> Result<(), ScanError> {
    let mut open = OpenContainers {
        left: [0; limit::DEPTH_MAX],
        depth: 0,
        elements_left: elements_max as u64,
    };
    loop {
        let at = tokens.at();
        let token = tokens.next().map_err(|error| match error {
            TokenError::Truncated => ScanError::Truncated { at },
            TokenError::Reserved => ScanError::Reserved { at },
        })?;
        if open.depth == 0 && !matches!(token, Token::Array(_)) {
            return Err(ScanError::NotAnArray { at });
        }
        match token {
            Token::Array(count) => open.push(u64::from(count), at, elements_max)?,
            Token::Map(pairs) => open.push(2 * u64::from(pairs), at, elements_max)?,
            Token::Unsigned(number) if number > limit::INTEGER_MAX => {
                return Err(ScanError::IntegerTooLarge { at });
            }
            Token::Negative(number) if number.unsigned_abs() > limit::INTEGER_MAX => {
                return Err(ScanError::IntegerTooLarge { at });
            }
            Token::Text(bytes) if std::str::from_utf8(bytes).is_err() => {
                return Err(ScanError::NotUtf8 { at });
            }
            Token::Nil
            | Token::Bool(_)
            | Token::Unsigned(_)
            | Token::Negative(_)
            | Token::Float
            | Token::Text(_)
            | Token::Binary(_)
            | Token::Extension => {}
        }
        if open.close_full() {
            return Ok(());
        }
    }
}

/// How many elements are still to come in each container around the current value.
struct OpenContainers {
    left: [u64; limit::DEPTH_MAX],
    depth: usize,
    elements_left: u64,
}

impl OpenContainers {
    fn push(&mut self, count: u64, at: usize, max: usize) -> Result<(), ScanError> {
        if self.depth == limit::DEPTH_MAX {
            return Err(ScanError::TooDeep { at });
        }
        let too_many = ScanError::TooManyElements { at, max };
        self.elements_left = self.elements_left.checked_sub(count).ok_or(too_many)?;
        self.left[self.depth] = count;
        self.depth += 1;
        Ok(())
    }

    /// Leaves every container whose elements are all read; `true` once the outermost is left.
    /// Otherwise counts the element that comes next.
    fn close_full(&mut self) -> bool {
        while self.depth > 0 {
            let left = &mut self.left[self.depth - 1];
            if *left > 0 {
                *left -= 1;
                return false;
            }
            self.depth -= 1;
        }
        true
    }
}
