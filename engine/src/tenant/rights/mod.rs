//! Who may do what: roles and their ranks, what rooms add or take, and the one walk over both.
//!
//! `permit` decides and explains by the same walk. What changes here acts on open sockets:
//! `revocation` pauses rooms, stamps their listeners anew and takes back what was held for them.

pub(crate) mod overwrites;
pub(crate) mod permit;
pub(crate) mod revocation;
pub(crate) mod roles;
