//! Somebody who asks, beside the hub that answers and a session that ends.

use std::sync::Arc;

use homeroom_protocol::RequestId;
use loom::{future::block_on, sync::mpsc, thread};
use tokio::sync::Semaphore;

use super::{super::queue::queue, *};
use crate::sync::explore;

const ID: RequestId = RequestId(1);

struct Stage {
    pending: Arc<Pending>,
    places: Arc<Semaphore>,
    sink: QueueSink,
}

impl Stage {
    fn new() -> Self {
        let pending = Arc::new(Pending::default());
        let (writer, _) = queue(Arc::default());
        Self {
            sink: QueueSink::new(Arc::clone(&pending), writer),
            pending,
            places: Arc::new(Semaphore::new(1)),
        }
    }

    /// Asks on a thread of its own, tells whoever wants to know, and waits: whether there was an answer.
    fn ask(&self, asked: Option<mpsc::Sender<()>>) -> thread::JoinHandle<bool> {
        let pending = Arc::clone(&self.pending);
        let place = Arc::clone(&self.places).try_acquire_owned().unwrap();
        thread::spawn(move || {
            let answered = pending.expect(ID, None, place);
            if let Some(asked) = asked {
                asked.send(()).unwrap();
            }
            block_on(answered).is_ok()
        })
    }
}

#[test]
fn whoever_asks_a_session_that_ends_is_told_so() {
    explore(|| {
        let stage = Stage::new();
        let asking = stage.ask(None);
        drop(stage.sink);
        assert!(!asking.join().unwrap());
        assert_eq!(stage.places.available_permits(), 1, "its place is free");
    });
}

#[test]
fn an_answer_is_received_though_the_session_ends_behind_it() {
    explore(|| {
        let mut stage = Stage::new();
        let (asked, heard) = mpsc::channel();
        let asking = stage.ask(Some(asked));
        heard.recv().unwrap();
        let done = Arc::new(Push::new(ServerFrame::Done { id: ID }));
        stage.sink.try_push(&done).unwrap();
        drop(stage.sink);
        assert!(asking.join().unwrap());
        assert_eq!(stage.places.available_permits(), 1, "its place is free");
    });
}
