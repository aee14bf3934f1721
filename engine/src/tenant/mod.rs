//! The room tenant: the rules of one organisation, pure.
//!
//! Here is no clock, no disk, no task and no randomness: [`Input`]s, a
//! [`Moment`](crate::domain::Moment) and looked-up [`Fact`]s go in; durable [`Event`]s and
//! [`Delivery`](crate::hub::Delivery)s for the hub come out. What happens twice from the same
//! inputs happens the same way, byte for byte: that is what recovery and the simulator stand on.
//!
//! | folder or file | holds |
//! |---|---|
//! | `state`, `driven` | the tenant, and how it meets the runtime |
//! | `input`, `effects`, `deadline`, `settings`, `refusal` | what goes in, what comes out, when to wake, how much of everything, why not |
//! | `decide` | the rules, by concern: state in, event or refusal out |
//! | `commit` | what was decided is made true |
//! | `requests`, `service` | what clients and back ends ask, one input each: look up, decide, apply, answer |
//! | `connections` | sessions, what they listen to, how much they may ask |
//! | `rooms` | what a room knows, durable, written by `apply` alone; people's own streams among them |
//! | `rights` | roles, overwrites, the walk that decides, and revocation |
//! | `presence` | what lives as long as connections do |
//! | `records`, `history` | events, their stored form, snapshots; index rows and pages read back |

mod commit;
mod connections;
mod deadline;
mod decide;
mod driven;
mod effects;
mod history;
mod input;
mod presence;
mod records;
mod refusal;
mod requests;
mod rights;
mod rooms;
mod service;
mod settings;
mod state;

pub use driven::DUE_PER_TICK_MAX;
pub use history::{Fact, LookedMessage, Question, Span, Target, TimelinePage};
pub use input::{Disconnection, Input, Whom};
pub use records::event::{Event, KeyedBy, TenantChange, TenantEvent};
pub use records::hashing::{Digest, Lookup};
pub use records::keys::KeyRecord;
pub use records::restart::{Entry, Restarted};
pub use rooms::crowds::MEMBERS_TOLD_MAX;
pub use rooms::room::Room;
pub use service::roles::{RoleAnswer, RoleRequest};
pub use service::{
    Answered, Asker, HistoryPage, MembersPage, Placed, Refused, RoomSummary, ServiceAnswer,
    ServiceCall, ServiceRequest,
};
pub use settings::{Seed, Settings};
pub use state::Tenant;
