//! The host on real sockets: what its parts must do together.

mod binary;
mod end_to_end;
mod hostile;
mod support;
