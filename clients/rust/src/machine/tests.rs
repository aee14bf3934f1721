//! Scenes with a scripted server on a virtual clock.

mod laws;
mod model;
mod places;
mod scenes;
mod script;
