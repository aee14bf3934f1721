//! What is wrong with one frame, precisely enough to answer it and to fix its sender.

use crate::{ErrorCode, InvalidId, RequestId};

/// One frame of a message was refused; the frames beside it stand. The sender is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct FrameError {
    /// The request it was, where the kind is in the range of requests (of replies, for a client that
    /// reads) and the id could be read: the answer carries it back.
    pub id: Option<RequestId>,
    /// What is wrong.
    pub problem: FrameProblem,
}

impl FrameError {
    /// The error to answer with.
    #[must_use]
    pub const fn error_code(&self) -> ErrorCode {
        match self.problem {
            FrameProblem::NoKind => ErrorCode::Malformed,
            FrameProblem::UnknownKind { .. } => ErrorCode::UnknownKind,
            FrameProblem::Field { .. } => ErrorCode::InvalidField,
        }
    }
}

/// What is wrong with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameProblem {
    /// The array does not begin with an unsigned integer.
    #[error("the frame does not begin with a kind")]
    NoKind,
    /// The kind is not one that this side of the connection knows. A server answers with an error, a
    /// client passes over the frame.
    #[error("kind {kind} is unknown")]
    UnknownKind {
        /// The kind.
        kind: u64,
    },
    /// A field of a known kind is wrong.
    #[error("field {index} ({name}) {error}")]
    Field {
        /// The field as the tables of `SPEC.md` call it; one inside another has both names.
        name: &'static str,
        /// Its position in the frame, the kind being 0; for one inside another, that of the outer.
        index: u32,
        /// What is wrong with it.
        error: FieldError,
    },
}

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// The array ends before it.
    #[error("is missing")]
    Missing,
    /// It has another type.
    #[error("is not {expected}")]
    WrongType {
        /// The type it should have.
        expected: &'static str,
    },
    /// It is longer than its limit, in bytes of a text or elements of a list.
    #[error("has a length of {actual}, the limit is {max}")]
    TooLong {
        /// Its length.
        actual: u64,
        /// Its limit.
        max: u64,
    },
    /// Its number is not in its range, or not one of its choices.
    #[error("is {actual}, not in {min} to {max}")]
    OutOfRange {
        /// Its number.
        actual: u64,
        /// The lowest it may be.
        min: u64,
        /// The highest it may be.
        max: u64,
    },
    /// It is not a valid id.
    #[error("{0}")]
    InvalidId(#[from] InvalidId),
}
