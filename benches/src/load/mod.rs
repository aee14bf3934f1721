//! A load generator that is cheap beside what it measures: one thread, one epoll, one read buffer.
//!
//! What it tells of a server is the processor time that server used for each delivery, which stays the same on a
//! busy machine where deliveries per second do not. All servers get the same load; what differs between them, how
//! one enters and how one publishes, is a [`Dialect`]. Deliveries are counted without decoding anything, by a
//! [marker](MARKER) in the text of each message.
//!
//! A [`Server`] is started on a core of its own, a [`Fleet`] of connections gathers in its rooms, a [`Driver`]
//! publishes and measures.

mod bars;
mod campaign;
mod comers;
mod contender;
mod crowd;
mod dialect;
mod drive;
mod fleet;
mod heartbeats;
mod histogram;
mod homeroom;
mod interval;
mod line;
mod marks;
mod plot;
mod process;
mod progress;
mod report;
mod room;
mod scenario;
mod seating;
mod table;
#[cfg(test)]
mod tests;
mod wire;

pub use self::{
    campaign::{Campaign, measure_all, too_many},
    comers::{Resident, WAVES_MAX},
    contender::{ANSWERING, BE, Contender, HomeroomServer, RawServer, measure},
    crowd::{Act, Habits, Note},
    dialect::{Dialect, Door, Entered, Entry, Errand, KeepAlive, LARGE_BYTES, Role, Seat},
    drive::{Driver, Measured, Pace, Until, Window},
    fleet::Fleet,
    histogram::Histogram,
    homeroom::Homeroom,
    interval::Median,
    marks::{MARKER, Marks, Tail, text},
    plot::plot,
    process::{Announced, Cores, CpuTime, Server, raise_open_files, resident_bytes},
    progress::Progress,
    report::{CaseReport, Ratios, Report, Run, ServerReport},
    scenario::{Case, Coming, Load, Plan, Scenario},
    seating::Seating,
    wire::{Heard, Incoming, Outgoing},
};
