//! The writer as a task, over a log in memory that can be told to fail.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};

use super::{
    tally::{Effect, Input, Tally},
    watch,
};
use crate::{
    domain::Domain,
    index::{Indexer, MemoryPlace},
    log::{
        AppendError, Appended, Bounds, Commit, DurableListener, Log, LogFailure, LogPosition,
        MemoryLog, ReadError, Record, Space,
    },
    metrics::{Part, Watch},
    runtime::{
        pool::Pool,
        wake,
        writer::{Bed, Command, Ended, Habits, INBOX_MAX, Outlet, Stores, URGENT_MAX, Writer},
    },
};

/// What a test sees leaving, in order.
#[derive(Clone)]
struct Ears {
    heard: mpsc::UnboundedSender<Effect>,
    abandoned: Arc<AtomicBool>,
}

impl Outlet<Tally> for Ears {
    async fn deliver(&mut self, effects: Vec<Effect>, _: Vec<tracing::Span>) {
        for effect in effects {
            self.heard.send(effect).unwrap();
        }
    }

    async fn abandon(&mut self) {
        self.abandoned.store(true, Ordering::SeqCst);
    }
}

struct Awake;

impl Bed for Awake {
    fn lie_down(&mut self, _: impl Fn() -> bool) -> bool {
        false
    }

    fn fall_ill(&mut self) {}
}

struct Asleep(Option<oneshot::Sender<()>>);

impl Bed for Asleep {
    fn lie_down(&mut self, _: impl Fn() -> bool) -> bool {
        self.0.take().is_some_and(|told| told.send(()).is_ok())
    }

    fn fall_ill(&mut self) {}
}

/// Somebody comes, says something and leaves, just when the tenant is about to lie down for the first time.
struct Visited(Option<std::sync::mpsc::Receiver<mpsc::Sender<Command<Tally>>>>);

impl Bed for Visited {
    fn lie_down(&mut self, nobody_waits: impl Fn() -> bool) -> bool {
        if let Some(inbox) = self.0.take() {
            let inbox = inbox.recv().unwrap();
            let add = Input::Add { who: 1, number: 5 };
            inbox.try_send(Command::Input(add)).unwrap();
        }
        nobody_waits()
    }

    fn fall_ill(&mut self) {}
}

/// A log in memory whose appends wait for the test, or fail, and whose reads wait when told to.
#[derive(Debug)]
struct Gate {
    log: MemoryLog,
    commits: Mutex<Vec<usize>>,
    waiting: Mutex<std::sync::mpsc::Receiver<Result<(), AppendError>>>,
    /// Reads wait, each for a word of its own, until the other end is dropped.
    reading: Mutex<Option<std::sync::mpsc::Receiver<()>>>,
}

impl Log for Gate {
    fn append(&self, commit: &Commit) -> Result<Appended, AppendError> {
        self.waiting
            .lock()
            .unwrap()
            .recv()
            .expect("the test lets every append go on")?;
        self.commits.lock().unwrap().push(commit.records.len());
        self.log.append(commit)
    }

    fn read(&self, from: LogPosition, bytes_max: usize) -> Result<Vec<Record>, ReadError> {
        if let Some(held) = &*self.reading.lock().unwrap() {
            // Its end is one too.
            let _ = held.recv();
        }
        self.log.read(from, bytes_max)
    }

    fn bounds(&self) -> Bounds {
        self.log.bounds()
    }

    fn subscribe(&self, listener: DurableListener) {
        self.log.subscribe(listener);
    }

    fn trim(&self, below: LogPosition) -> Result<LogPosition, LogFailure> {
        self.log.trim(below)
    }

    fn checkpoint(&self) -> Result<Space, LogFailure> {
        self.log.checkpoint()
    }

    fn close(&self) -> Result<(), LogFailure> {
        self.log.close()
    }
}

struct Scene {
    log: Arc<Gate>,
    pool: Pool,
    let_go: std::sync::mpsc::Sender<Result<(), AppendError>>,
    inbox: mpsc::Sender<Command<Tally>>,
    urgent: mpsc::Sender<Command<Tally>>,
    heard: mpsc::UnboundedReceiver<Effect>,
    abandoned: Arc<AtomicBool>,
    writer: tokio::task::JoinHandle<Ended>,
    watch: Watch,
}

impl Scene {
    fn new(bed: impl Bed, sleep_after: Duration) -> Self {
        let log = MemoryLog::new();
        let writer = log.reopen();
        let (let_go, waiting) = std::sync::mpsc::channel();
        let log = Arc::new(Gate {
            log,
            commits: Mutex::default(),
            waiting: Mutex::new(waiting),
            reading: Mutex::default(),
        });
        let stores = Stores {
            log: Arc::clone(&log) as Arc<dyn Log>,
            index: Arc::new(Indexer::new((), Box::new(MemoryPlace), None)),
        };
        let awake = wake::wake::<Tally>(&(), stores, None, writer).unwrap();
        let (heard_by, heard) = mpsc::unbounded_channel();
        let abandoned = Arc::new(AtomicBool::new(false));
        let ears = Ears {
            heard: heard_by,
            abandoned: Arc::clone(&abandoned),
        };
        let habits = Habits {
            sleep_after,
            snapshot_every: u64::MAX,
        };
        let (inbox, commands) = mpsc::channel(INBOX_MAX);
        let pool = Pool::new(2);
        let watch = watch();
        let writer = Writer::new(awake, ears, bed, habits, pool.clone(), watch.clone());
        let (urgent, urgents) = mpsc::channel(URGENT_MAX);
        let writer = tokio::spawn(writer.run(commands, urgents));
        Self {
            log,
            pool,
            let_go,
            inbox,
            urgent,
            heard,
            abandoned,
            writer,
            watch,
        }
    }

    async fn tell(&self, input: Input) {
        self.inbox.send(Command::Input(input)).await.unwrap();
    }

    async fn add(&self, number: u64) {
        self.tell(Input::Add { who: 1, number }).await;
    }

    async fn hear(&mut self) -> Effect {
        self.heard.recv().await.expect("the writer lives")
    }

    async fn hear_but_signals(&mut self) -> Effect {
        loop {
            match self.hear().await {
                Effect::Signal { .. } => {}
                other => return other,
            }
        }
    }
}

fn failure() -> AppendError {
    AppendError::Failed(LogFailure {
        action: "sync",
        place: "the test".into(),
        cause: "because".into(),
    })
}

const NEVER: Duration = Duration::from_secs(3600);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_senders_share_one_commit_while_one_is_under_way() {
    let mut scene = Scene::new(Awake, NEVER);
    scene.add(1).await;
    assert_eq!(scene.hear().await, Effect::Signal { who: 1 });
    for _ in 0..50 {
        scene.add(1).await;
    }
    // Every one of them has been decided once its signal is out; none is answered.
    for _ in 0..50 {
        assert_eq!(scene.hear().await, Effect::Signal { who: 1 });
    }
    scene.let_go.send(Ok(())).unwrap();
    scene.let_go.send(Ok(())).unwrap();
    for total in 1..=51 {
        assert_eq!(scene.hear().await, Effect::Added { who: 1, total });
    }
    assert_eq!(*scene.log.commits.lock().unwrap(), [1, 50]);
    let figures = scene.watch.metrics().read().log;
    assert_eq!((figures.commits, figures.events_appended), (2, 51));
    assert_eq!(figures.commit_events.buckets.iter().sum::<u64>(), 2);
    assert_eq!(figures.commit_time.count, 2);
}

/// With one worker: whoever asks first wakes the writer, which tokio runs next, before the others who are ready.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn whoever_is_ready_to_ask_when_the_first_one_asks_shares_its_commit() {
    let mut scene = Scene::new(Awake, NEVER);
    scene.add(1).await;
    scene.let_go.send(Ok(())).unwrap();
    assert_eq!(scene.hear().await, Effect::Signal { who: 1 });
    assert_eq!(scene.hear().await, Effect::Added { who: 1, total: 1 });
    let inbox = scene.inbox.clone();
    let crowd = tokio::spawn(async move {
        for _ in 0..10 {
            let inbox = inbox.clone();
            let add = Command::Input(Input::Add { who: 1, number: 1 });
            tokio::spawn(async move { inbox.send(add).await });
        }
    });
    crowd.await.unwrap();
    for _ in 0..10 {
        scene.let_go.send(Ok(())).unwrap();
    }
    for total in 2..=11 {
        let added = scene.hear_but_signals().await;
        assert_eq!(added, Effect::Added { who: 1, total });
    }
    assert_eq!(*scene.log.commits.lock().unwrap(), [1, 10]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_of_unknown_outcome_is_tried_again() {
    let mut scene = Scene::new(Awake, NEVER);
    scene.add(1).await;
    scene.let_go.send(Err(AppendError::Unknown)).unwrap();
    scene.let_go.send(Ok(())).unwrap();
    assert_eq!(
        scene.hear_but_signals().await,
        Effect::Added { who: 1, total: 1 }
    );
    assert_eq!(*scene.log.commits.lock().unwrap(), [1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_append_ends_this_life_and_answers_nothing() {
    let mut scene = Scene::new(Awake, NEVER);
    scene.add(1).await;
    scene.let_go.send(Err(failure())).unwrap();
    assert_eq!((&mut scene.writer).await.unwrap(), Ended::Failed);
    assert!(scene.abandoned.load(Ordering::SeqCst));
    while let Some(effect) = scene.heard.recv().await {
        assert_eq!(effect, Effect::Signal { who: 1 });
    }
    assert!(scene.inbox.is_closed());
    let health = scene.watch.metrics().health.health().degraded;
    assert_eq!((health[0].part, health[0].keeps_out), (Part::Log, true));
    assert!(health[0].what.contains("because"), "{health:?}");
    assert_eq!(scene.watch.metrics().read().log.commits, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_to_close_it_answers_what_it_took_and_seals() {
    let mut scene = Scene::new(Awake, NEVER);
    scene.add(1).await;
    assert_eq!(scene.hear().await, Effect::Signal { who: 1 });
    let (told, closed) = oneshot::channel();
    scene.urgent.send(Command::Close(told)).await.unwrap();
    scene.let_go.send(Ok(())).unwrap();
    closed.await.unwrap();
    assert_eq!((&mut scene.writer).await.unwrap(), Ended::Closed);
    assert_eq!(scene.hear().await, Effect::Added { who: 1, total: 1 });
    let sealed = Commit {
        id: crate::log::CommitId([0; 16]),
        expected: LogPosition(1),
        writer: scene.log.log.reopen(),
        records: vec![Tally::encode(&super::tally::Added(1))],
    };
    assert!(
        scene.log.log.append(&sealed).is_ok(),
        "only a reopened log takes more"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_history_is_complete_up_to_what_was_answered() {
    let mut scene = Scene::new(Awake, NEVER);
    for number in 1..=3 {
        scene.add(number * 10).await;
        scene.let_go.send(Ok(())).unwrap();
        scene.hear_but_signals().await;
        scene
            .tell(Input::Nth {
                who: 1,
                position: number,
            })
            .await;
        let nth = Effect::Nth {
            who: 1,
            number: Some(number * 10),
        };
        assert_eq!(scene.hear_but_signals().await, nth);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_many_questions_wait_for_its_index_the_pool_has_room_for_others() {
    let mut scene = Scene::new(Awake, NEVER);
    scene.add(7).await;
    scene.let_go.send(Ok(())).unwrap();
    scene.hear_but_signals().await;
    let (read_on, held) = std::sync::mpsc::channel();
    *scene.log.reading.lock().unwrap() = Some(held);
    for who in 2..=9 {
        scene.tell(Input::Nth { who, position: 1 }).await;
    }
    // When this is heard, all before it was decided, and what could be started was.
    scene.add(8).await;
    assert_eq!(scene.hear().await, Effect::Signal { who: 1 });

    let others = scene.pool.run(|| ());
    let others = tokio::time::timeout(Duration::from_secs(20), others).await;
    drop(read_on);
    others
        .expect("one tenant takes one place on the pool")
        .unwrap();

    scene.let_go.send(Ok(())).unwrap();
    let mut answers = Vec::new();
    while answers.len() < 9 {
        answers.push(scene.hear_but_signals().await);
    }
    for who in 2..=9 {
        let number = Some(7);
        assert!(
            answers.contains(&Effect::Nth { who, number }),
            "{answers:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_answer_is_given_while_the_next_question_is_still_looked_up() {
    let mut scene = Scene::new(Awake, NEVER);
    let nth = |who| Effect::Nth {
        who,
        number: Some(7),
    };
    scene.add(7).await;
    scene.let_go.send(Ok(())).unwrap();
    scene.hear_but_signals().await;
    // Whoever asks first brings the index up to date: from now on each question reads once.
    scene
        .tell(Input::Nth {
            who: 2,
            position: 1,
        })
        .await;
    assert_eq!(scene.hear_but_signals().await, nth(2));
    let (read_on, held) = std::sync::mpsc::channel();
    *scene.log.reading.lock().unwrap() = Some(held);
    for who in 3..=6 {
        scene.tell(Input::Nth { who, position: 1 }).await;
    }
    // When this is heard, all of them were asked: at least the last three behind a call that is held.
    scene.add(8).await;
    assert_eq!(scene.hear().await, Effect::Signal { who: 1 });
    // What is answered says what it follows, and would wait for that.
    scene.let_go.send(Ok(())).unwrap();
    assert_eq!(scene.hear().await, Effect::Added { who: 1, total: 15 });
    for who in 3..=6 {
        read_on.send(()).unwrap();
        let heard = tokio::time::timeout(Duration::from_secs(20), scene.hear()).await;
        assert_eq!(heard.expect("the others are still held"), nth(who));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_sleeps_when_nobody_is_connected_and_not_before() {
    let (told, asleep) = oneshot::channel();
    let mut scene = Scene::new(Asleep(Some(told)), Duration::ZERO);
    // The scene begins with nobody connected; whoever comes first wakes a sleeping tenant again.
    let ended = (&mut scene.writer).await.unwrap();
    assert_eq!(ended, Ended::Closed);
    asleep.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_left_while_it_was_about_to_sleep_is_decided_first() {
    let (give, visitor) = std::sync::mpsc::channel();
    let mut scene = Scene::new(Visited(Some(visitor)), Duration::ZERO);
    scene.let_go.send(Ok(())).unwrap();
    give.send(scene.inbox.clone()).unwrap();
    let heard = scene.hear_but_signals().await;
    assert_eq!(heard, Effect::Added { who: 1, total: 5 });
    assert_eq!((&mut scene.writer).await.unwrap(), Ended::Closed);
}
