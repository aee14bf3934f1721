//! One flooded tenant does not slow another: between another tenant's request and its answer lies a bounded
//! number of foreign work units, whatever the flood has collected and however many listen to it.
//!
//! The whole engine runs on one thread here, where tasks take turns and nothing else happens: what is
//! counted is what a thread of a busy machine would do first.

#![cfg(test)]

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use homeroom_engine::{
    Config, Connection, Engine, Identity, Tenant,
    hub::{LISTENERS_PER_CALL, SocketSink},
    tenant::Settings,
};
use homeroom_protocol::{
    CloseCode, DeviceState, IdempotencyKey, Request, RequestId, RoomInfo, RoomNumber,
};
use tokio::task::yield_now;

/// Writes to listeners of the flood between a request of another tenant and its answer: one turn of the
/// flood's while the request waits for its own tenant, up to two while that lets others ask as well, one while
/// the answer waits for the worker, one that is before it there, and the one that may have been under way.
const FOREIGN_WRITES_MAX: usize = 6 * LISTENERS_PER_CALL;
/// Connections that send all the time.
const FLOODERS: u64 = 3;
const REQUESTS: u64 = 40;

/// Counts writes, and takes everything.
#[derive(Debug, Clone, Default)]
struct Counts(Arc<AtomicUsize>);

impl Counts {
    fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    async fn reach(&self, count: usize) {
        while self.get() < count {
            yield_now().await;
        }
    }
}

impl SocketSink for Counts {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(bytes.len())
    }

    fn close(&self, _: CloseCode) {}
}

/// The calm tenant's: counts its own writes, and how many foreign ones there were at the last of them. Whoever
/// waits for it has their turn much later, while the flood goes on.
#[derive(Debug)]
struct Calm {
    own: Counts,
    foreign: Counts,
    foreign_then: Counts,
}

impl SocketSink for Calm {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let foreign = self.foreign.get();
        self.foreign_then.0.store(foreign, Ordering::SeqCst);
        self.own.try_write(bytes)
    }

    fn close(&self, _: CloseCode) {}
}

async fn attach(
    tenant: &Tenant,
    who: &str,
    device: u64,
    sink: impl SocketSink + 'static,
) -> Connection {
    let identity = Identity::user(who).unwrap();
    let device = format!("device-{device}").parse().unwrap();
    let identity = Identity { device, ..identity };
    tenant.attach(identity, Arc::new(sink)).await.unwrap()
}

async fn ask(connection: &Connection, id: u64, request: Request) {
    connection.request(RequestId(id), request).await.unwrap();
}

fn join() -> Request {
    Request::Join {
        room: "hall".parse().unwrap(),
        resume: None,
    }
}

/// Sends for ever, as fast as the tenant takes it.
async fn flood(connection: Connection, who: u64) {
    for id in 10.. {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&who.to_be_bytes());
        key[8..].copy_from_slice(&u64::to_be_bytes(id));
        let send = Request::Send {
            key: IdempotencyKey(key),
            room: RoomNumber(1),
            draft: "x".repeat(100).into(),
        };
        if connection.request(RequestId(id), send).await.is_err() {
            return;
        }
    }
}

/// The most foreign writes between one of several requests of a calm tenant and its answer, beside a flood
/// before so many listeners.
async fn most_foreign_writes(listeners: u64) -> usize {
    let config = Config {
        shards: 1,
        // All listeners are one user's devices: rooms of many people pass over who comes and goes.
        settings: Settings {
            connections_per_user_max: usize::MAX,
            ..Settings::default()
        },
        ..Config::default()
    };
    let engine = Engine::open(config).await.unwrap();
    let flooded = engine.tenant(&"flooded".parse().unwrap()).await.unwrap();
    let calm = engine.tenant(&"calm".parse().unwrap()).await.unwrap();

    let (heard, answered) = (Counts::default(), Counts::default());
    let maker = attach(&flooded, "maker", 0, Counts::default()).await;
    let create = Request::Create {
        key: IdempotencyKey([7; 16]),
        room: "hall".parse().unwrap(),
        info: RoomInfo::default(),
        members: Vec::new(),
    };
    ask(&maker, 1, create).await;
    ask(&maker, 2, join()).await;
    let mut crowd = Vec::new();
    for device in 1..=listeners {
        let listener = attach(&flooded, "maker", device, heard.clone()).await;
        ask(&listener, 1, join()).await;
        crowd.push(listener);
    }
    // Each was welcomed, at least.
    heard.reach(usize::try_from(listeners).unwrap()).await;
    for who in 1..=FLOODERS {
        let flooder = attach(&flooded, "maker", 1_000_000 + who, Counts::default()).await;
        ask(&flooder, 1, join()).await;
        tokio::spawn(flood(flooder, who));
    }
    let foreign_then = Counts::default();
    let sink = Calm {
        own: answered.clone(),
        foreign: heard.clone(),
        foreign_then: foreign_then.clone(),
    };
    let other = attach(&calm, "ben", 0, sink).await;
    answered.reach(1).await;
    let begun = heard.get();
    heard
        .reach(begun + 2 * usize::try_from(listeners).unwrap())
        .await;

    let mut most = 0;
    for id in 1..=REQUESTS {
        let (before, answers) = (heard.get(), answered.get());
        let state = DeviceState::Active;
        ask(&other, id, Request::Presence { state }).await;
        while answered.get() == answers {
            yield_now().await;
        }
        most = most.max(foreign_then.get() - before);
        // From another point of the flood's turn.
        heard
            .reach(heard.get() + usize::try_from(7 * id).unwrap())
            .await;
    }
    drop(crowd);
    engine.shut_down(CloseCode::ShuttingDown, None).await;
    most
}

#[tokio::test]
async fn a_request_waits_behind_as_much_foreign_work_beside_a_large_audience_as_beside_a_small_one()
{
    for listeners in [100, 300, 3_000] {
        let most = most_foreign_writes(listeners).await;
        println!("{listeners} listeners: at most {most} foreign writes");
        assert!(most > 0, "the flood went on meanwhile");
        assert!(
            most <= FOREIGN_WRITES_MAX,
            "{most} foreign writes came first, beside {listeners} listeners"
        );
    }
}
