use std::{
    io,
    sync::atomic::{AtomicUsize, Ordering},
};

use homeroom_protocol::{
    Epoch, EventBody, RoomNumber, Seq, ServerFrame, TimelineEvent, Timestamp, UserId,
};

use super::*;
use crate::{
    hub::{COLLECTED_BYTES_MAX, Generation, LISTENERS_PER_CALL, Need, Push, SocketSink},
    tenant::Input,
};

const LIFE: TenantLife = TenantLife(1);
const ROOM: RoomNumber = RoomNumber(1);
const TEXT_BYTES: usize = 10_000;

#[derive(Debug, Clone, Default)]
struct Eats(Arc<AtomicUsize>);

impl SocketSink for Eats {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.fetch_add(bytes.len(), Ordering::Relaxed);
        Ok(bytes.len())
    }

    fn close(&self, _: CloseCode) {}
}

fn event(seq: u64) -> Delivery {
    let event = TimelineEvent {
        seq: Seq(seq),
        time: Timestamp(0),
        author: UserId::new("ada").unwrap(),
        body: EventBody::Message("x".repeat(TEXT_BYTES).into()),
    };
    let epoch = Epoch::new(5).unwrap();
    Delivery::Event {
        room: ROOM,
        seq: Seq(seq),
        push: Arc::new(Push::new(ServerFrame::Event {
            room: ROOM,
            epoch,
            event,
        })),
    }
}

/// A shard with so many listeners that one call cannot serve them all, driven by hand.
fn crowd(
    task: &mut ShardTask,
    life: TenantLife,
    tenant: &TenantInbox,
    eaten: &Eats,
    listeners: u64,
) {
    for n in 1..=listeners {
        task.take(ShardInput::Attach(Box::new(Attach {
            life,
            tenant: tenant.clone(),
            connection: ConnectionId(n),
            sink: Sink::Socket(Arc::new(eaten.clone())),
            gauge: Arc::default(),
        })));
        let listen = Delivery::Listen {
            connection: ConnectionId(n),
            room: ROOM,
            epoch: Epoch::new(5).unwrap(),
            next: Seq(1),
            head: Seq(0),
            generation: Generation(n),
        };
        let found = task.lives.get_mut(&life).unwrap();
        found.shard.deliver(life, listen);
    }
}

#[tokio::test]
async fn a_shard_that_cannot_keep_up_makes_its_tenants_wait() {
    const LISTENERS: usize = 3_000;
    const EVENTS: usize = 2_000;
    let eaten = Eats::default();
    let metrics = Metrics::new(clock::now);
    let mut task = ShardTask::new(256 * 1024, Arc::clone(&metrics));
    let (inbox, _commands) = mpsc::channel(1);
    crowd(&mut task, LIFE, &inbox, &eaten, LISTENERS as u64);
    let (sender, inputs) = mpsc::channel(INBOX_MAX);
    let shards = Shards::of(vec![sender], metrics);
    let _open = shards.clone();
    let released = Arc::new(AtomicUsize::new(0));
    let tenant = tokio::spawn({
        let (mut outlet, released) = (HubOutlet::new(shards, LIFE), Arc::clone(&released));
        async move {
            for seq in 1..=EVENTS as u64 {
                outlet.deliver(vec![event(seq)], Vec::new()).await;
                released.fetch_add(TEXT_BYTES, Ordering::Relaxed);
            }
        }
    });
    let watch = {
        let (eaten, released) = (eaten.clone(), Arc::clone(&released));
        async move {
            let mut most = 0;
            while eaten.0.load(Ordering::Relaxed) < EVENTS * LISTENERS * TEXT_BYTES {
                let written = eaten.0.load(Ordering::Relaxed) / LISTENERS;
                most = most.max(released.load(Ordering::Relaxed).saturating_sub(written));
                tokio::task::yield_now().await;
            }
            most
        }
    };
    let most = tokio::select! {
        () = task.run(inputs) => panic!("the outlet is gone before all is written"),
        most = watch => most,
    };
    tenant.await.unwrap();
    // A text weighs twice its bytes. What is collected and what is being written may each have been
    // just below the bound when one event more was taken.
    let bound = (2 * COLLECTED_BYTES_MAX + WAITING_BYTES_MAX as usize) / 2;
    assert!(most <= bound + 4 * TEXT_BYTES, "{most} bytes are kept");
    assert!(most > bound / 4, "{most}: the bound is reached");
}

fn ended(connection: u64) -> Need {
    Need::Ended {
        tenant: LIFE,
        connection: ConnectionId(connection),
    }
}

/// Whether there was no room for a need is asked once, however many wait behind it.
#[tokio::test]
async fn a_tenant_without_room_is_told_everything_in_order_as_it_gets_some() {
    const NEEDS: u64 = 5_000;
    let (inbox, mut commands) = mpsc::channel(3);
    let mut life = Life::new(256 * 1024, inbox.downgrade());
    life.needs.extend((0..NEEDS).map(ended));
    let mut told = Vec::new();
    let mut rounds = 0;
    while life.ask() {
        rounds += 1;
        while let Ok(Command::Input(Input::Disconnect { connection, .. })) = commands.try_recv() {
            told.push(connection.0);
        }
    }
    while let Ok(Command::Input(Input::Disconnect { connection, .. })) = commands.try_recv() {
        told.push(connection.0);
    }
    assert!(told.into_iter().eq(0..NEEDS));
    assert_eq!(rounds, NEEDS / 3);
    drop((inbox, commands));
    life.needs.push(ended(1));
    assert!(!life.ask(), "who is gone needs nothing");
    assert!(life.is_over());
}

#[tokio::test]
async fn a_life_is_forgotten_when_all_its_connections_are_gone() {
    let mut task = ShardTask::new(256 * 1024, Metrics::new(clock::now));
    let (inbox, _commands) = mpsc::channel(1);
    crowd(&mut task, LIFE, &inbox, &Eats::default(), 3);
    task.tick();
    assert_eq!((task.lives.len(), task.turns.len()), (1, 1));
    for n in 1..=3 {
        task.take(ShardInput::Detach {
            life: LIFE,
            connection: ConnectionId(n),
            how: Disconnection::Clean,
        });
    }
    task.turn();
    task.tick();
    assert!(task.lives.is_empty() && task.turns.is_empty());
}

/// Otherwise whatever is said while thousands of tenants are awake would once a second wait for all.
#[tokio::test]
async fn a_tick_gives_no_turn_to_a_life_with_nothing_to_do() {
    let mut task = ShardTask::new(256 * 1024, Metrics::new(clock::now));
    let (inbox, _commands) = mpsc::channel(1);
    for life in 1..=100 {
        let attach = Attach {
            life: TenantLife(life),
            tenant: inbox.clone(),
            connection: ConnectionId(life),
            sink: Sink::Socket(Arc::new(Eats::default())),
            gauge: Arc::default(),
        };
        task.take(ShardInput::Attach(Box::new(attach)));
    }
    while !task.turns.is_empty() {
        task.turn();
    }
    task.tick();
    assert_eq!((task.lives.len(), task.turns.len()), (100, 0));
    let room = Arc::new(tokio::sync::Semaphore::new(1));
    let share = Arc::clone(&room).acquire_owned().await.unwrap();
    task.lay_down(TenantLife(7), Laid::new(vec![event(1)], share, None));
    task.tick();
    assert_eq!(task.turns, [TenantLife(7)]);
}

/// Each has its turn, and what one of them collected is not in the way of the other.
#[tokio::test]
async fn lives_with_much_to_write_take_turns() {
    const LISTENERS: usize = 2_000;
    let mut task = ShardTask::new(256 * 1024, Metrics::new(clock::now));
    let (inbox, _commands) = mpsc::channel(1);
    let lives = [TenantLife(1), TenantLife(2)];
    let eaten = lives.map(|_| Eats::default());
    for (life, eaten) in lives.iter().zip(&eaten) {
        crowd(&mut task, *life, &inbox, eaten, LISTENERS as u64);
    }
    while !task.turns.is_empty() {
        task.turn();
    }
    let room = Arc::new(tokio::sync::Semaphore::new(lives.len()));
    for life in lives {
        let share = Arc::clone(&room).acquire_owned().await.unwrap();
        task.lay_down(life, Laid::new(vec![event(1)], share, None));
    }
    let mut apart = 0;
    while !task.turns.is_empty() {
        task.turn();
        let [one, other] = eaten.each_ref().map(|it| it.0.load(Ordering::Relaxed));
        apart = apart.max(one.abs_diff(other) / TEXT_BYTES);
    }
    assert!(apart > 0 && apart <= LISTENERS_PER_CALL + 2, "{apart}");
    for eaten in eaten {
        assert!(eaten.0.load(Ordering::Relaxed) > LISTENERS * TEXT_BYTES);
    }
}

#[tokio::test]
async fn a_release_larger_than_an_inbox_goes_through() {
    let shards = Shards::start(1, 256 * 1024, Metrics::new(clock::now));
    let mut outlet = HubOutlet::new(shards, LIFE);
    let events = WAITING_BYTES_MAX as usize / TEXT_BYTES;
    for _ in 0..3 {
        outlet
            .deliver((1..=events as u64).map(event).collect(), Vec::new())
            .await;
    }
}
