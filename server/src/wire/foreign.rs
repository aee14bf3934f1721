//! A stream of somebody else's server, made to be tried instead of waited for.
//!
//! A stream is polled with wakers of our own, which set a flag and wake the connection's task, whoever
//! polled. It is polled outside of tokio's budget: that budget belongs to the task that happens to
//! poll, a hub shard with thousands of other listeners, and an exhausted one would look like a full
//! socket.

use std::{
    fmt,
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, Wake, Waker},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready},
    task::coop::unconstrained,
};

use super::{OFFER_BYTES_MAX, poll_budget};
use crate::sync::{AtomicBool, Mutex, MutexGuard};

/// What it is made of.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// See the [module](self).
pub(crate) struct Foreign {
    state: Mutex<State>,
    readable: Side,
    writable: Side,
    waiter: Arc<Waiter>,
}

/// The task that waits for one of the flags.
type Waiter = Mutex<Option<Waker>>;

struct State {
    io: Box<dyn Io>,
    /// It took bytes and has not said that they are gone.
    unflushed: bool,
    end: End,
}

/// How far the end of the write half is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    NotAsked,
    Asked,
    Done,
}

/// One direction: whether a try is worth it, and the waker that says so.
struct Side {
    flag: Arc<Flag>,
    waker: Waker,
}

struct Flag {
    set: AtomicBool,
    waiter: Arc<Waiter>,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.set.store(true, Ordering::Release);
        let waiter = lock(&self.waiter).take();
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }
}

impl Side {
    fn new(waiter: &Arc<Waiter>) -> Self {
        let flag = Arc::new(Flag {
            set: AtomicBool::new(true),
            waiter: Arc::clone(waiter),
        });
        let waker = Waker::from(Arc::clone(&flag));
        Self { flag, waker }
    }

    fn is_set(&self) -> bool {
        self.flag.set.load(Ordering::Acquire)
    }

    /// Polls, as far as it goes without waiting. The flag is down afterwards only when a waker will
    /// raise it.
    fn attempt<T>(
        &self,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> io::Result<T> {
        self.flag.set.store(false, Ordering::Release);
        let mut context = Context::from_waker(&self.waker);
        let attempt = pin!(unconstrained(poll_fn(&mut poll)));
        match attempt.poll(&mut context) {
            Poll::Ready(result) => {
                self.flag.set.store(true, Ordering::Release);
                result
            }
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl Foreign {
    pub(super) fn new(io: Box<dyn Io>) -> Self {
        let waiter = Arc::default();
        Self {
            state: Mutex::new(State {
                io,
                unflushed: false,
                end: End::NotAsked,
            }),
            readable: Side::new(&waiter),
            writable: Side::new(&waiter),
            waiter,
        }
    }

    pub(super) fn try_read(&self, into: &mut [u8]) -> io::Result<usize> {
        let mut state = self.state();
        let mut into = ReadBuf::new(into);
        let io = &mut state.io;
        self.readable
            .attempt(|context| Pin::new(&mut *io).poll_read(context, &mut into))?;
        Ok(into.filled().len())
    }

    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.state();
        if state.end != End::NotAsked {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.settle(&mut state)?;
        let mut taken = 0;
        while taken < bytes.len() {
            let offer = &bytes[taken..bytes.len().min(taken + OFFER_BYTES_MAX)];
            let io = &mut state.io;
            let wrote = self
                .writable
                .attempt(|context| Pin::new(&mut *io).poll_write(context, offer));
            match wrote {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => taken += count.min(offer.len()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && taken > 0 => break,
                Err(error) => return Err(error),
            }
            state.unflushed = true;
            match self.settle(&mut state) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(taken)
    }

    pub(super) fn holds(&self) -> bool {
        let state = self.state();
        state.unflushed || state.end == End::Asked
    }

    pub(super) fn pass_on(&self) -> bool {
        let mut state = self.state();
        match self.settle(&mut state) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            Ok(()) | Err(_) => true,
        }
    }

    pub(super) fn end(&self) {
        let mut state = self.state();
        if state.end == End::NotAsked {
            state.end = End::Asked;
            // What does not go now goes when there is room.
            let _ = self.settle(&mut state);
        }
    }

    pub(super) fn poll_ready(&self, interest: Interest, context: &mut Context<'_>) -> Poll<Ready> {
        // Before the flags are looked at: one that is raised behind them finds whom to wake.
        *lock(&self.waiter) = Some(context.waker().clone());
        let mut ready = Ready::EMPTY;
        if interest.is_readable() && self.readable.is_set() {
            ready |= Ready::READABLE;
        }
        if interest.is_writable() && self.writable.is_set() {
            ready |= Ready::WRITABLE;
        }
        if ready.is_empty() {
            return Poll::Pending;
        }
        // A stream that is always ready must not keep the thread for itself.
        poll_budget(context).map(|()| ready)
    }

    /// Sees what was taken off, and then the end.
    fn settle(&self, state: &mut State) -> io::Result<()> {
        let State { io, unflushed, end } = state;
        let result = if *end == End::Asked {
            self.writable
                .attempt(|context| Pin::new(&mut *io).poll_shutdown(context))
        } else if *unflushed {
            self.writable
                .attempt(|context| Pin::new(&mut *io).poll_flush(context))
        } else {
            return Ok(());
        };
        let waits = matches!(&result, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        if !waits {
            *unflushed = false;
            if *end == End::Asked {
                *end = End::Done;
            }
        }
        result
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no stream panics when polled")
    }
}

fn lock(waiter: &Waiter) -> MutexGuard<'_, Option<Waker>> {
    waiter.lock().expect("nothing panics while holding it")
}

impl fmt::Debug for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Foreign")
            .field("readable", &self.readable.is_set())
            .field("writable", &self.writable.is_set())
            .finish_non_exhaustive()
    }
}
