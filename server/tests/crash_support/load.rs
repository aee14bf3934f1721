//! Writers and listeners of one life of the host, and listeners that outlive it.
//!
//! A writer's client lives no longer than the host it talks to, so that what becomes of an unanswered
//! send is settled by the writer's own book, never by the client's.

use std::{
    collections::{HashSet, VecDeque},
    future::{Future, poll_fn},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use homeroom_client::{Client, ErrorCode, IdempotencyKey, RequestError, RoomId, Sent, UserId};
use tokio::{
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};

use super::{
    audit::PATIENCE,
    clients::{Shared, client, follow, locked},
    dice::Dice,
    ledger::{Place, ROOMS, TENANTS, places},
};

const WRITERS_PER_TENANT: usize = 3;
/// Acknowledged sends that each writer sends again after a restart.
const REPEATED: usize = 3;
/// The most a writer has unanswered; each life chooses a number up to this.
const WINDOW_MAX: u64 = 12;
/// For answers that were on their way when the host died.
const AFTERGLOW: Duration = Duration::from_millis(30);

/// How long a host lives under load: mostly a moment, sometimes long enough for the work that is done
/// once a second (marks, snapshots, the index).
pub(crate) fn life(dice: &mut Dice) -> Duration {
    let ms_max = if dice.once_in(4) { 2_500 } else { 500 };
    Duration::from_millis(dice.below(ms_max))
}

/// The clients of one life of the host.
#[derive(Debug)]
pub(crate) struct Load {
    tasks: JoinSet<()>,
}

impl Load {
    /// Sends go on until [`end`](Self::end).
    pub(crate) fn start(address: SocketAddr, ledger: &Shared, dice: &mut Dice) -> Self {
        Self::of_window(WINDOW_MAX, address, ledger, dice)
    }

    /// The same with at most so many sends of a writer unanswered. Where one may be refused for a while, it
    /// is one: those behind it would be stored first.
    pub(crate) fn of_window(
        window_max: u64,
        address: SocketAddr,
        ledger: &Shared,
        dice: &mut Dice,
    ) -> Self {
        let mut tasks = JoinSet::new();
        for tenant in TENANTS {
            for number in 0..WRITERS_PER_TENANT {
                let mut writer = writer(tenant, number, address, ledger, dice.fork());
                writer.window_max = window_max;
                tasks.spawn(writer.write(Until::Killed));
            }
            let name = "returning listener";
            tasks.spawn(listen_again(address, Arc::clone(ledger), tenant, name));
        }
        Self { tasks }
    }

    /// After the host died: takes what is still on its way.
    pub(crate) async fn end(mut self) {
        sleep(AFTERGLOW).await;
        self.tasks.abort_all();
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended
                && error.is_panic()
            {
                std::panic::resume_unwind(error.into_panic());
            }
        }
    }
}

/// Sends again what is unanswered until nothing is, and lets the returning listeners hear all of it.
pub(crate) async fn settle(address: SocketAddr, ledger: &Shared, dice: &mut Dice) {
    let mut listeners = JoinSet::new();
    for tenant in TENANTS {
        let name = "returning listener";
        listeners.spawn(listen_again(address, Arc::clone(ledger), tenant, name));
        for number in 0..WRITERS_PER_TENANT {
            let writer = writer(tenant, number, address, ledger, dice.fork());
            timeout(PATIENCE, writer.write(Until::Settled))
                .await
                .unwrap();
        }
    }
    let listening = async {
        while !all_heard(ledger) {
            sleep(Duration::from_millis(5)).await;
        }
    };
    let heard = timeout(PATIENCE, listening).await;
    assert!(heard.is_ok(), "a listener did not hear everything");
}

/// Whether every listener is at the newest event of every room.
fn all_heard(ledger: &Shared) -> bool {
    let ledger = locked(ledger);
    places().all(|place| {
        let head = ledger.head(place);
        ["returning listener", "lasting listener"]
            .iter()
            .all(|who| ledger.place_of(who, place) == head)
    })
}

/// A listener in each tenant whose client reconnects and resumes by itself.
#[derive(Debug)]
pub(crate) struct Lasting {
    following: Vec<JoinHandle<()>>,
    clients: Vec<Client>,
}

impl Lasting {
    pub(crate) async fn start(relay: SocketAddr, ledger: &Shared) -> Self {
        let mut lasting = Self {
            following: Vec::new(),
            clients: Vec::new(),
        };
        for tenant in TENANTS {
            let name = "lasting listener";
            let (client, events) = client(relay, tenant, &user(name));
            let following = follow(events, Arc::clone(ledger), tenant, name.to_owned(), true);
            lasting.following.push(tokio::spawn(following));
            for room in ROOMS {
                let place = Place { tenant, room };
                let resume = locked(ledger).place_of(name, place);
                let joined = client.join(&room.parse().unwrap(), resume).await;
                locked(ledger).begins(name, place, joined.unwrap().position);
            }
            lasting.clients.push(client);
        }
        lasting
    }
}

impl Drop for Lasting {
    fn drop(&mut self) {
        for following in &self.following {
            following.abort();
        }
    }
}

/// A listener that begins anew with each life of the host, at the position it has written down.
async fn listen_again(
    address: SocketAddr,
    ledger: Shared,
    tenant: &'static str,
    name: &'static str,
) {
    let (client, events) = client(address, tenant, &user(name));
    let resumes = ROOMS.map(|room| {
        let place = Place { tenant, room };
        (room, locked(&ledger).place_of(name, place))
    });
    let following = follow(events, Arc::clone(&ledger), tenant, name.to_owned(), true);
    let joining = async {
        for (room, resume) in resumes {
            let joined = client.join(&room.parse().unwrap(), resume).await;
            let mut ledger = locked(&ledger);
            match joined {
                Ok(joined) => {
                    let elsewhere = resume.is_some_and(|resume| resume != joined.position);
                    if elsewhere || joined.reset.is_some() {
                        let what = format!("{name} in {tenant} {room}: {joined:?} for {resume:?}");
                        ledger.wrong(what);
                    }
                    ledger.begins(name, Place { tenant, room }, joined.position);
                }
                Err(error) => ledger.wrong(format!("{name} in {tenant} {room}: {error}")),
            }
        }
        // The client ends with its handle.
        std::future::pending::<()>().await;
    };
    tokio::join!(following, joining);
}

fn user(name: &str) -> UserId {
    name.replace(' ', "-").parse().unwrap()
}

/// When a writer is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    Killed,
    Settled,
}

type Answer = (usize, Result<Sent, RequestError>);
type Sending = Pin<Box<dyn Future<Output = Answer> + Send>>;

struct Writer {
    tenant: &'static str,
    user: UserId,
    client: Client,
    ledger: Shared,
    dice: Dice,
    window_max: u64,
    flight: Vec<Sending>,
    following: JoinHandle<()>,
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.following.abort();
    }
}

fn writer(
    tenant: &'static str,
    number: usize,
    address: SocketAddr,
    ledger: &Shared,
    dice: Dice,
) -> Writer {
    let name = format!("writer-{number}");
    let user = user(&name);
    let (client, events) = client(address, tenant, &user);
    let following = follow(events, Arc::clone(ledger), tenant, name, false);
    Writer {
        tenant,
        user,
        client,
        ledger: Arc::clone(ledger),
        dice,
        window_max: WINDOW_MAX,
        flight: Vec::new(),
        following: tokio::spawn(following),
    }
}

impl Writer {
    async fn write(mut self, until: Until) {
        for room in ROOMS {
            if let Err(error) = self.client.join(&room.parse().unwrap(), None).await {
                let what = format!("{} cannot join {room}: {error}", self.user);
                locked(&self.ledger).wrong(what);
            }
        }
        let window = usize::try_from(1 + self.dice.below(self.window_max)).unwrap();
        let mut again: VecDeque<_> = {
            let mut ledger = locked(&self.ledger);
            let again = ledger.unanswered(self.tenant, &self.user);
            ledger.counts.retried += again.len() as u64;
            again.into()
        };
        again.extend(self.some_answered());
        self.steal_a_key().await;
        loop {
            while self.flight.len() < window {
                let wish = match (again.pop_front(), until) {
                    (Some(wish), _) => wish,
                    (None, Until::Killed) => self.new_wish(),
                    (None, Until::Settled) => break,
                };
                self.send(wish);
            }
            if self.flight.is_empty() {
                return;
            }
            self.some_answer().await;
        }
    }

    fn new_wish(&mut self) -> usize {
        let room = ROOMS[usize::try_from(self.dice.below(ROOMS.len() as u64)).unwrap()];
        let tenant = self.tenant;
        locked(&self.ledger).wish(Place { tenant, room }, &self.user, &mut self.dice)
    }

    fn some_answered(&mut self) -> HashSet<usize> {
        let mut ledger = locked(&self.ledger);
        let answered = ledger.answered(self.tenant, &self.user);
        let mut some = HashSet::new();
        if !answered.is_empty() {
            for _ in 0..REPEATED {
                let at = usize::try_from(self.dice.below(answered.len() as u64)).unwrap();
                some.insert(answered[at]);
            }
        }
        ledger.counts.repeated += some.len() as u64;
        some
    }

    /// The key of a stored message with another text must be refused.
    async fn steal_a_key(&mut self) {
        let (room, key) = {
            let ledger = locked(&self.ledger);
            let answered = ledger.answered(self.tenant, &self.user);
            let Some(last) = answered.last() else {
                return;
            };
            let wish = ledger.get(*last);
            (wish.place.room, wish.key)
        };
        let room: RoomId = room.parse().unwrap();
        let stolen = self.client.send_with_key(&room, "other", key).await;
        let mut ledger = locked(&self.ledger);
        match stolen {
            Err(RequestError::Refused { code, .. }) if code == ErrorCode::KeyConflict.number() => {
                ledger.counts.conflicts += 1;
            }
            other => ledger.wrong(format!("a used key with another text: {other:?}")),
        }
    }

    fn send(&mut self, at: usize) {
        let ledger = locked(&self.ledger);
        let wish = ledger.get(at);
        let room: RoomId = wish.place.room.parse().unwrap();
        let (text, key): (String, IdempotencyKey) = (wish.text.clone(), wish.key);
        drop(ledger);
        let client = self.client.clone();
        self.flight.push(Box::pin(async move {
            (at, client.send_with_key(&room, &text, key).await)
        }));
    }

    /// Waits for at least one answer. All that is in flight is polled in order, so that the client gets
    /// the sends in the order in which they were numbered.
    async fn some_answer(&mut self) {
        let flight = &mut self.flight;
        let answers = poll_fn(|context| {
            let mut answers: Vec<Answer> = Vec::new();
            flight.retain_mut(|sending| match sending.as_mut().poll(context) {
                Poll::Ready(answer) => {
                    answers.push(answer);
                    false
                }
                Poll::Pending => true,
            });
            if answers.is_empty() {
                Poll::Pending
            } else {
                Poll::Ready(answers)
            }
        })
        .await;
        let mut ledger = locked(&self.ledger);
        for (at, answer) in answers {
            match answer {
                Ok(sent) => ledger.acked(at, sent),
                Err(error) => ledger.wrong(format!("{} was refused: {error}", self.user)),
            }
        }
    }
}
