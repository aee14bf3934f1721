//! A Homeroom client: reconnects, resumes, and retries with keys.

mod backoff;
mod command;
mod event;
pub mod machine;
mod moment;
mod requests;
mod rooms;

pub use command::{Answer, Command, Joined, MembersPage, Outcome, Page, RequestError, Sent};
pub use event::{Event, Lost, Removal, StopReason, Violation};
pub use moment::Moment;
