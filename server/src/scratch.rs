//! Read buffers that belong to threads, not to connections: ten thousand idle sockets hold none.
//!
//! A connection that has something to read borrows one, works through what it read, waiting for the
//! tenant where it must, and gives it back. So buffers in use follow the work in progress.

use std::{
    cell::RefCell,
    mem,
    ops::{Deref, DerefMut},
};

/// Size of a buffer. What one read brings is worked through before the next, so this also bounds how
/// much of a flood one turn takes in.
const BYTES: usize = 16 * 1024;
/// Spare buffers a thread keeps; one is enough unless connections wait for tenants.
const SPARES_MAX: usize = 8;

thread_local! {
    static SPARES: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A borrowed buffer; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Scratch(Vec<u8>);

impl Scratch {
    pub(crate) fn take() -> Self {
        let spare = SPARES.with_borrow_mut(Vec::pop);
        Self(spare.unwrap_or_else(|| vec![0; BYTES]))
    }
}

impl Drop for Scratch {
    /// To the thread it is on now: threads share the work, so their spares level out.
    fn drop(&mut self) {
        let buffer = mem::take(&mut self.0);
        // A thread that is ending keeps nothing.
        let _ = SPARES.try_with(|spares| {
            let mut spares = spares.borrow_mut();
            if spares.len() < SPARES_MAX {
                spares.push(buffer);
            }
        });
    }
}

impl Deref for Scratch {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_keeps_few_spares_however_many_were_in_use() {
        let many: Vec<Scratch> = (0..3 * SPARES_MAX).map(|_| Scratch::take()).collect();
        assert!(many.iter().all(|scratch| scratch.len() == BYTES));
        drop(many);
        assert_eq!(SPARES.with_borrow(Vec::len), SPARES_MAX);
        let _one = Scratch::take();
        assert_eq!(SPARES.with_borrow(Vec::len), SPARES_MAX - 1);
    }
}
