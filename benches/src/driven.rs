//! The Rust client's machine on a [`Line`]: it connects, resumes and retries by the rules that apps follow, and its
//! connection can be cut as a cable is.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use homeroom_client::{
    Moment,
    machine::{Machine, Settings, State},
};
use tokio::time::{sleep, timeout};

use crate::line::Line;

/// How long a socket may take to open.
const OPEN_WITHIN: Duration = Duration::from_secs(10);

/// A machine, and its line while it has one.
#[derive(Debug)]
pub struct Driven<T> {
    /// What decides.
    pub machine: Machine<T>,
    line: Option<Line>,
    address: SocketAddr,
    origin: Instant,
}

impl<T> Driven<T> {
    /// Not connected yet; moments count from `origin`.
    #[must_use]
    pub fn new(settings: Settings, address: SocketAddr, origin: Instant) -> Self {
        Self {
            machine: Machine::new(settings, moment(origin)),
            line: None,
            address,
            origin,
        }
    }

    /// Now, as the machine counts.
    #[must_use]
    pub fn now(&self) -> Moment {
        moment(self.origin)
    }

    /// One step: connects, or waits for what comes, for a deadline, or to be interrupted, and tells what interrupted
    /// it. `None` also when the machine wants nothing ever again: look at its state.
    pub async fn step<R>(&mut self, interruption: impl Future<Output = R>) -> Option<R> {
        match self.machine.state() {
            State::Connecting => {
                self.connect().await;
                None
            }
            State::Waiting => {
                self.line = None;
                self.attend(interruption).await
            }
            State::Welcoming | State::Live => self.attend(interruption).await,
            State::Unauthenticated | State::Stopped => None,
        }
    }

    async fn connect(&mut self) {
        match timeout(OPEN_WITHIN, Line::open(self.address)).await {
            Ok(Ok(line)) => {
                self.line = Some(line);
                self.machine.opened(self.now());
            }
            Ok(Err(error)) => self.machine.lost(self.now(), error.to_string()),
            Err(_) => self.machine.tick(self.now()),
        }
    }

    async fn attend<R>(&mut self, interruption: impl Future<Output = R>) -> Option<R> {
        let deadline = self.machine.deadline().map_or(u64::MAX, |at| at.0);
        let wait = Duration::from_millis(deadline.saturating_sub(self.now().0).min(60_000));
        let line = &mut self.line;
        let incoming = async {
            match line {
                Some(line) => line.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            incoming = incoming => {
                let now = moment(self.origin);
                match incoming {
                    Ok(Some(message)) => self.machine.receive(now, &message),
                    Ok(None) => self.machine.lost(now, "closed"),
                    Err(error) => self.machine.lost(now, error.to_string()),
                }
                None
            }
            () = sleep(wait) => {
                self.machine.tick(moment(self.origin));
                None
            }
            told = interruption => Some(told),
        }
    }

    /// Writes what the machine has to say.
    pub async fn speak(&mut self) {
        let mut message = Vec::new();
        while let Some(line) = &mut self.line
            && self.machine.transmit(moment(self.origin), &mut message)
        {
            if let Err(error) = line.send(&message).await {
                self.machine.lost(moment(self.origin), error.to_string());
                return;
            }
        }
    }

    /// Cuts the line, if there is one: what was under way either way is lost.
    pub fn cut(&mut self) {
        if let Some(line) = self.line.take() {
            line.cut();
        }
        self.machine.lost(self.now(), "cut");
    }
}

fn moment(origin: Instant) -> Moment {
    Moment(u64::try_from(origin.elapsed().as_millis()).unwrap_or(u64::MAX))
}
