//! Everybody who is served, to be called when the host leaves.
//!
//! A task that waits for such a word by itself holds a hundred bytes for it, and ten thousand silent connections wait
//! for nothing else. Their sockets know their tasks anyway, so the host keeps a way to each socket.

use std::{
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use slab::Slab;

use crate::{service::Service, socket::Socket};

/// The sockets of all clients of one service.
#[derive(Debug, Default)]
pub(crate) struct Roll(Mutex<Slab<Weak<Socket>>>);

/// A service, with a client on its roll for as long as this lives.
#[derive(Debug)]
pub(crate) struct Enrolled {
    service: Arc<Service>,
    place: usize,
}

impl Roll {
    /// Has every task look at what it waits for.
    pub(crate) fn call(&self) {
        let sockets: Vec<_> = (self.places().iter())
            .filter_map(|(_, socket)| socket.upgrade())
            .collect();
        for socket in sockets {
            socket.look_again();
        }
    }

    fn places(&self) -> MutexGuard<'_, Slab<Weak<Socket>>> {
        // A place is taken or given back in one step: a panic elsewhere leaves it right.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Enrolled {
    /// Puts a socket on the roll. Whoever does so and then looks whether the host leaves, misses nothing.
    pub(crate) fn new(service: Arc<Service>, socket: &Arc<Socket>) -> Self {
        let place = service.roll().places().insert(Arc::downgrade(socket));
        Self { service, place }
    }
}

impl Deref for Enrolled {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}

impl Drop for Enrolled {
    fn drop(&mut self) {
        self.service.roll().places().try_remove(self.place);
    }
}
