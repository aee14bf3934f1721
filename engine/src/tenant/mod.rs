//! The room tenant: the rules of one organisation, pure.
//!
//! Here is no clock, no disk, no task and no randomness: [`Input`]s, a
//! [`Moment`](crate::domain::Moment) and looked-up [`Fact`]s go in; durable [`Event`]s and
//! [`Delivery`](crate::hub::Delivery)s for the hub come out. What happens twice from the same
//! inputs happens the same way, byte for byte: that is what recovery and the simulator stand on.
//!
//! | file | holds |
//! |---|---|
//! | `state` | the tenant and how it meets the runtime |
//! | `decide` | the rules, by concern: state in, event or refusal out |
//! | `requests`, `service`, `connections`, `listening`, `places` | one input each: look up, decide, apply, answer |
//! | `rooms`, `room`, `keys`, `roles` | durable state, written by `apply` alone |
//! | `counting`, `gate`, `overwrites`, `pins`, `deletions`, `pace`, `retention`, `personal` | what a room knows, by concern |
//! | `permit`, `marks`, `mentions`, `crowds` | what follows from it |
//! | `recent` | what happened to messages since the history was read |
//! | `people`, `typing`, `session`, `deadline`, `passing` | what lives as long as connections do |
//! | `event`, `restart`, `stored`, `history`, `sections` | records, their stored form, index rows, snapshots |

mod connections;
mod counting;
mod crowds;
mod deadline;
mod decide;
mod deletions;
mod effects;
mod event;
mod gate;
mod hashing;
mod history;
mod input;
mod keys;
mod listening;
mod marks;
mod mentions;
mod overwrites;
mod pace;
mod passing;
mod people;
mod permit;
mod personal;
mod pins;
mod places;
mod recent;
mod refusal;
mod requests;
mod restart;
mod retention;
mod roles;
mod room;
mod rooms;
mod sections;
mod seqs;
mod service;
mod session;
mod settings;
mod state;
mod stored;
mod typing;

pub use crowds::MEMBERS_TOLD_MAX;
pub use event::{Event, KeyedBy, TenantChange, TenantEvent};
pub use hashing::{Digest, Lookup};
pub use history::{Fact, LookedMessage, Question, Span, Target, TimelinePage};
pub use input::{Disconnection, Input, Whom};
pub use keys::KeyRecord;
pub use restart::{Entry, Restarted};
pub use room::Room;
pub use service::{
    Answered, Asker, HistoryPage, MembersPage, Placed, Refused, RoomSummary, ServiceAnswer,
    ServiceCall, ServiceRequest,
};
pub use settings::{Seed, Settings};
pub use state::{DUE_PER_TICK_MAX, Tenant};
