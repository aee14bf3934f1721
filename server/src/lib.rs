//! The thin Homeroom host: listener, transport, admin commands.
