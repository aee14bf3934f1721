//! Certificates are renewed while a host runs: it looks at their files, and takes over what is whole.
//!
//! Looking at the contents covers what change times miss: links that are turned, copies that keep
//! their dates, clocks that jump. A pair is judged when two looks in a row saw the same: between
//! writing the certificate and writing its key they do not match. Whatever is wrong with it is logged
//! once, and the host goes on with what it has. Connections keep what they began with.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, PoisonError, Weak},
    time::Duration,
};

use tokio::time::sleep;

use super::{
    Shared, Tls,
    certificate::{Files, TlsError, config},
};

/// What a look at the files came to.
#[derive(Debug)]
pub enum Reloaded {
    /// They are as they were when they were judged last.
    Unchanged,
    /// They have changed, or are changing: the next look decides.
    Unsettled,
    /// New connections are shown the new certificate.
    Replaced,
    /// What is there now cannot be used: the old certificate stays.
    Kept(TlsError),
}

/// What was seen at earlier looks.
#[derive(Debug)]
pub(super) struct Watch {
    judged: u64,
    unsettled: Option<u64>,
}

impl Watch {
    pub(super) fn of(files: &Result<Files, TlsError>) -> Self {
        Self {
            judged: fingerprint(files),
            unsettled: None,
        }
    }

    /// Whether the files are to be judged now, or why not.
    fn settle(&mut self, seen: u64) -> Option<Reloaded> {
        let before = self.unsettled.take();
        if seen == self.judged {
            return Some(Reloaded::Unchanged);
        }
        if before != Some(seen) {
            self.unsettled = Some(seen);
            return Some(Reloaded::Unsettled);
        }
        self.judged = seen;
        None
    }
}

impl Tls {
    /// Looks at the files, as it is done every [`reload_every_ms`](super::TlsSettings::reload_every_ms);
    /// for a signal that says they have changed. A change takes two looks. Blocks for two small files.
    #[must_use]
    pub fn look(&self) -> Reloaded {
        let shared = &*self.0;
        let files = Files::read(&shared.certificate, &shared.key);
        // Held to the end: of two looks at once the later one decides.
        let mut watch = shared.watch.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(not_yet) = watch.settle(fingerprint(&files)) {
            return not_yet;
        }
        match files.and_then(config) {
            Ok(config) => {
                let current = shared.current.write();
                *current.unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
                tracing::info!(certificate = %shared.certificate.display(), "took over a new certificate");
                Reloaded::Replaced
            }
            Err(error) => {
                tracing::error!(%error, "a new certificate cannot be used; the old one stays");
                Reloaded::Kept(error)
            }
        }
    }

    /// Looks again and again, in a task that ends with the last clone of this; a
    /// [`Host`](crate::Host) does so. Must be called in a tokio runtime. Does nothing when the settings
    /// say never.
    pub fn keep_looking(&self) {
        if let Some(every) = self.0.reload_every {
            tokio::spawn(look_again(Arc::downgrade(&self.0), every));
        }
    }
}

async fn look_again(shared: Weak<Shared>, every: Duration) {
    loop {
        sleep(every).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let looked = tokio::task::spawn_blocking(move || Tls(shared).look());
        // It says what it found itself; it cannot fail but by a panic, which then was logged.
        let _ = looked.await;
    }
}

/// Tells two looks apart, errors included; keeps no key in memory for it.
fn fingerprint(files: &Result<Files, TlsError>) -> u64 {
    let mut hasher = DefaultHasher::new();
    match files {
        Ok(files) => (&files.certificate.bytes, &files.key.bytes).hash(&mut hasher),
        Err(error) => error.to_string().hash(&mut hasher),
    }
    hasher.finish()
}
