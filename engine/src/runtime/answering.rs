//! Questions being looked up: one call on the pool for as many as were asked, since others would only wait for
//! the same index in places that other tenants need. Each answer is given as soon as it is known, so that a
//! glance does not wait behind a long search.

use std::{collections::VecDeque, sync::Arc};

use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    core::{Ask, Ticket},
    pool::Pool,
    writer::Stores,
};
use crate::domain::{Domain, HistoryError};

/// What was looked up, for whoever asked.
pub(super) type Answer<D> = (Ticket, Result<<D as Domain>::Fact, HistoryError>);

/// At most one call.
pub(super) struct Answering<D: Domain>(Option<UnderWay<D>>);

struct UnderWay<D: Domain> {
    /// Has room for all of them: the call never waits to be heard.
    answers: mpsc::Receiver<Answer<D>>,
    call: JoinHandle<()>,
}

impl<D: Domain> Answering<D> {
    pub(super) const fn nothing() -> Self {
        Self(None)
    }

    pub(super) const fn is_under_way(&self) -> bool {
        self.0.is_some()
    }

    /// Looks these up, in this order. None may be under way.
    pub(super) fn begin(&mut self, asked: VecDeque<Ask<D>>, stores: &Stores<D>, pool: &Pool) {
        let (index, log) = (Arc::clone(&stores.index), Arc::clone(&stores.log));
        let (tell, answers) = mpsc::channel(asked.len().max(1));
        let call = pool.run(move || {
            for ask in asked {
                let fact = index.answer(&*log, ask.upto, &ask.question);
                if tell.try_send((ask.ticket, fact)).is_err() {
                    // Nobody waits for it any more.
                    return;
                }
            }
        });
        self.0 = Some(UnderWay { answers, call });
    }

    /// The next answer, or that there are no more; waits for ever when none is under way. Safe to cancel.
    pub(super) async fn next(&mut self) -> Option<Answer<D>> {
        let Some(under_way) = &mut self.0 else {
            return std::future::pending().await;
        };
        if let Some(answer) = under_way.answers.recv().await {
            return Some(answer);
        }
        let ended = (&mut under_way.call).await;
        self.0 = None;
        ended.expect("answering a question does not panic");
        None
    }

    /// One that is there already.
    pub(super) fn ready(&mut self) -> Option<Answer<D>> {
        self.0.as_mut()?.answers.try_recv().ok()
    }

    /// Waits for the call. What is not yet looked up stays so.
    pub(super) async fn quiet(&mut self) {
        if let Some(UnderWay { answers, call }) = self.0.take() {
            drop(answers);
            drop(call.await);
        }
    }
}
