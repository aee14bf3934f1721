//! Who is here, and what they are doing this moment: what lives as long as connections do, and is never
//! written down.
//!
//! A person is the sum of their devices (`people`), shown under the override they chose (`shown`) to
//! those who watch them; a room's viewers (`viewing`) are told who else is there (`occupancy`), who
//! types (`typing`), and what apps signal (`signals`). Only when somebody was last here outlives their
//! connections (`seen`).

pub(crate) mod occupancy;
pub(crate) mod people;
pub(crate) mod seen;
pub(crate) mod shown;
pub(crate) mod signals;
pub(crate) mod typing;
pub(crate) mod viewing;
