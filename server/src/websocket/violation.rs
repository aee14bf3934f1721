//! How a client can break RFC 6455, or our narrower use of it, and what it is told.

use homeroom_protocol::CloseCode;

/// A client broke the transport's rules. It is at fault; the connection ends with
/// [`close_code`](Self::close_code), or WebSocket's own 1002 or 1007, and this as the explanation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A client must mask every frame (RFC 6455, 5.1).
    #[error("a frame was not masked")]
    Unmasked,
    /// No extension was agreed on, so the reserved bits must be zero (5.2).
    #[error("a frame has reserved bits set")]
    ReservedBits,
    /// An opcode without a meaning (5.2).
    #[error("opcode {opcode} has no meaning")]
    Opcode {
        /// The opcode.
        opcode: u8,
    },
    /// The protocol speaks binary messages only.
    #[error("text messages are not spoken here, only binary ones")]
    Text,
    /// Control frames are never fragmented (5.5).
    #[error("a control frame was fragmented")]
    FragmentedControl,
    /// Control frames carry at most 125 bytes (5.5).
    #[error("a control frame was longer than 125 bytes")]
    LongControl,
    /// Lengths are written in their shortest form, below 2^63 (5.2).
    #[error("a length was not written in its shortest form, or not below 2^63")]
    Length,
    /// A continuation of nothing (5.4).
    #[error("a continuation frame continued no message")]
    StrayContinuation,
    /// A new message inside an unfinished one (5.4).
    #[error("a message began before the one before it ended")]
    UnfinishedMessage,
    /// One message came in too many fragments.
    #[error("a message came in more than {max} fragments")]
    TooManyFragments {
        /// The limit.
        max: u32,
    },
    /// A text message must be UTF-8 (8.1).
    #[error("a text message was not UTF-8")]
    NotUtf8,
    /// A close frame with half a code, a code that may not be sent, or a reason that is not UTF-8 (7.4).
    #[error("the close frame was malformed")]
    BadClose,
    /// Judged on the header alone, before its payload is kept.
    #[error("a message of at least {bytes} bytes, the limit is {max}")]
    MessageTooBig {
        /// What the message would have grown to.
        bytes: u64,
        /// The limit at this point of the connection.
        max: usize,
    },
}

impl Violation {
    /// The code for the bye and the close frame where our own protocol was broken; `None` where
    /// WebSocket itself was.
    #[must_use]
    pub const fn close_code(self) -> Option<CloseCode> {
        match self {
            Self::MessageTooBig { .. } => Some(CloseCode::MessageTooBig),
            Self::Text | Self::TooManyFragments { .. } => Some(CloseCode::Protocol),
            Self::Unmasked
            | Self::ReservedBits
            | Self::Opcode { .. }
            | Self::FragmentedControl
            | Self::LongControl
            | Self::Length
            | Self::StrayContinuation
            | Self::UnfinishedMessage
            | Self::NotUtf8
            | Self::BadClose => None,
        }
    }

    /// WebSocket's own code for it (7.4.1), where its rules were broken.
    pub(crate) const fn websocket_code(self) -> u16 {
        match self {
            Self::NotUtf8 => 1007,
            Self::Unmasked
            | Self::ReservedBits
            | Self::Opcode { .. }
            | Self::Text
            | Self::FragmentedControl
            | Self::LongControl
            | Self::Length
            | Self::StrayContinuation
            | Self::UnfinishedMessage
            | Self::TooManyFragments { .. }
            | Self::BadClose
            | Self::MessageTooBig { .. } => 1002,
        }
    }
}
