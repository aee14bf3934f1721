//! Scenes with a scripted server on a virtual clock.

mod asking;
mod connecting;
mod laws;
mod model;
mod places;
mod rooms;
mod script;
