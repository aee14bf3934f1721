//! The hub that fills a session's queue, beside the reader that empties it. The bound is two entries here.

use homeroom_protocol::{Epoch, TimelineEvent};
use loom::{future::block_on, sync::mpsc, thread};

use super::*;
use crate::sync::explore;

const NOW: Timestamp = Timestamp(1_000_000);
const ROOM: RoomNumber = RoomNumber(7);

fn event(seq: u64) -> Entry {
    Entry::Shared(Arc::new(Push::new(ServerFrame::Event {
        room: ROOM,
        epoch: Epoch::from_random(1),
        event: TimelineEvent {
            seq: Seq(seq),
            time: NOW,
            author: "ana".parse().unwrap(),
            body: homeroom_protocol::EventBody::Message("hello".to_owned().into()),
        },
    })))
}

fn seq(entry: &Entry) -> u64 {
    let Entry::Shared(push) = entry else {
        panic!("not put: {entry:?}");
    };
    let (_, places) = push.of_room().unwrap();
    places.unwrap().0.0
}

/// Reads to the end as [`Events::next`](super::super::Events::next) does; `tell` is how the hub hears that there
/// is room again.
fn read(reader: QueueReader, tell: impl Fn()) -> Vec<u64> {
    let mut read = Vec::new();
    read_each(reader, tell, |seq| read.push(seq));
    read
}

fn read_each(mut reader: QueueReader, tell: impl Fn(), mut heard: impl FnMut(u64)) {
    block_on(async {
        loop {
            if let Some(refusals) = reader.to_tell() {
                tell();
                reader.told(refusals);
            }
            match reader.take(NOW) {
                Poll::Ready(Some(entry)) => heard(seq(&entry)),
                Poll::Ready(None) => return,
                Poll::Pending => reader.filled().await,
            }
        }
    });
}

#[test]
fn what_is_put_is_read_once_and_in_order_and_the_reader_is_woken_for_all_of_it() {
    explore(|| {
        let gauge = Arc::new(Gauge::default());
        let (writer, reader) = queue(Arc::clone(&gauge));
        let (tell, all_read) = mpsc::channel();
        let hub = thread::spawn(move || {
            writer.put(event(1)).unwrap();
            writer.put(event(2)).unwrap();
            // Else the end would wake whoever sleeps through these.
            all_read.recv().unwrap();
            writer.close(Some(event(3)));
        });
        let mut read = Vec::new();
        read_each(
            reader,
            || unreachable!("nothing is refused"),
            |seq| {
                read.push(seq);
                if seq == 2 {
                    tell.send(()).unwrap();
                }
            },
        );
        assert_eq!(read, [1, 2, 3]);
        hub.join().unwrap();
        assert_eq!(gauge.waiting(), 0, "the gauge shows the queue's length");
    });
}

#[test]
fn a_hub_that_was_refused_is_told_of_room_and_gives_the_rest() {
    explore(|| {
        let (writer, reader) = queue(Arc::default());
        let (tell, room) = mpsc::channel();
        let hub = thread::spawn(move || {
            let mut next = 1;
            while next <= 5 {
                match writer.put(event(next)) {
                    Ok(()) => next += 1,
                    Err(SessionRefusal::Full) => room.recv().unwrap(),
                    Err(SessionRefusal::Gone) => panic!("nobody left"),
                }
            }
            writer.close(None);
            room
        });
        let read = read(reader, || tell.send(()).unwrap());
        assert_eq!(read, [1, 2, 3, 4, 5]);
        // Told of more room than it asked for, the hub had ended.
        let room = hub.join().unwrap();
        while room.try_recv().is_ok() {}
    });
}

#[test]
fn what_is_taken_back_was_not_read_and_all_before_it_was() {
    explore(|| {
        let (writer, reader) = queue(Arc::default());
        let hub = thread::spawn(move || {
            writer.put(event(1)).unwrap();
            writer.put(event(2)).unwrap();
            let lost = writer.take_back_events(&|room| room == ROOM);
            writer.close(None);
            lost.get(&ROOM).map_or(3, |first| first.0)
        });
        let read = read(reader, || unreachable!("nothing is refused"));
        let first_lost = hub.join().unwrap();
        assert_eq!(read, (1..first_lost).collect::<Vec<_>>());
    });
}
