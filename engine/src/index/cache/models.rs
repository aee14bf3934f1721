//! Two threads at work on the same two indexes, of which one may stay open.

use loom::thread;

use super::*;
use crate::{index::MemoryIndex, sync::explore};

fn work_on(slot: &Slot) {
    slot.with(|held| {
        let index = held.open_with(|| {
            let index = Box::new(MemoryIndex::new());
            Ok(Guarded::new("here".to_owned(), index))
        });
        index.map(drop).unwrap();
    });
}

fn is_open(slot: &Slot) -> bool {
    slot.index.lock().unwrap().is_some()
}

#[test]
fn when_nobody_is_at_work_no_more_are_open_than_may_be_and_those_are_known() {
    explore(|| {
        let cache = IndexCache::new(1);
        let slots = [1, 2].map(|_| Slot::new(Some(Arc::clone(&cache))));
        let [first, second] = slots.clone();
        let other = thread::spawn(move || {
            work_on(&first);
            work_on(&second);
        });
        work_on(&slots[0]);
        other.join().unwrap();
        let open = slots.iter().filter(|slot| is_open(slot)).count();
        assert_eq!(cache.open_count(), open);
        assert!(open <= 1, "{open} stay open");
    });
}
