//! Pages of a room with a long past, read as a client reads them: asked for, looked up in the index and the
//! log, answered.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use homeroom_engine::{Config, Engine, Identity, Session, session::Room};
use homeroom_protocol::{CloseCode, Direction, Seq};
use serde::Serialize;
use tokio::task::JoinSet;

use super::config;
use crate::{
    host::Failure,
    judged::{Bar, Judged},
    load::Median,
    machine::Quantiles,
    text,
};

const PAGE_EVENTS: u32 = 50;
/// Who fills the room, and how many messages of each are on their way at once.
const WRITERS: usize = 4;
const IN_FLIGHT: usize = 64;
/// Pages that are read before any is timed, and those that are.
const WARMING: u64 = 2_000;
const TIMED: u64 = 5_000;
/// All pages lie in so many places: what is read has been read before, as in the rooms people look at.
const PLACES: u64 = 500;

/// How long a page takes.
#[derive(Debug, Serialize)]
pub struct Long {
    /// Messages in the room.
    pub messages: u64,
    /// How fast they were written, one a second.
    pub written_per_s: f64,
    /// Pages that have been read before, in ms; run by run.
    pub warm_ms: Vec<Quantiles>,
    /// Pages anywhere, in ms: in the first run most have not been read; run by run.
    pub anywhere_ms: Vec<Quantiles>,
}

/// Fills a room, and reads it, so often.
///
/// # Errors
/// The engine's.
pub async fn long(
    folder: &Path,
    messages: u64,
    runs: usize,
    judged: &mut Vec<Judged>,
) -> Result<Long, Failure> {
    let folder = tempfile::tempdir_in(folder)?;
    let config = Config {
        folder: Some(folder.path().to_owned()),
        ..config()
    };
    let engine = Engine::open(config).await?;
    let tenant = engine.tenant(&"school".parse()?).await?;
    let begun = Instant::now();
    let left = Arc::new(AtomicU64::new(messages));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (session, _) = tenant
            .connect(Identity::user(&format!("writer-{writer}"))?)
            .await?;
        let room = session.enter("class-7b").await?;
        for _ in 0..IN_FLIGHT {
            writers.spawn(write(session.clone(), room.clone(), Arc::clone(&left)));
        }
    }
    while let Some(written) = writers.join_next().await {
        written??;
    }
    let written_per_s = messages as f64 / begun.elapsed().as_secs_f64();
    let (reader, _) = tenant.connect(Identity::user("reader")?).await?;
    let room = reader.enter("class-7b").await?;
    // The first one waits until the index has caught up.
    read(&reader, &room, messages).await?;
    let mut long = Long {
        messages,
        written_per_s,
        warm_ms: Vec::new(),
        anywhere_ms: Vec::new(),
    };
    for run in 0..runs as u64 {
        // Other places in each run.
        let place = |round: u64| {
            let number = run * TIMED + round;
            51 + number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % messages.max(1)
        };
        let anywhere = pages(&reader, &room, (0..TIMED).map(place)).await?;
        let some = |round: u64| place(round % PLACES);
        pages(&reader, &room, (0..WARMING).map(some)).await?;
        let warm = pages(&reader, &room, (0..TIMED).map(some)).await?;
        long.anywhere_ms.push(anywhere);
        long.warm_ms.push(warm);
    }
    engine.shut_down(CloseCode::ShuttingDown, None).await;
    tell(&long, judged);
    Ok(long)
}

fn tell(long: &Long, judged: &mut Vec<Judged>) {
    let of = format!("a page of {PAGE_EVENTS} from {} messages", long.messages);
    for (what, runs, pick, bar) in [
        ("read before, p50", &long.warm_ms, p50 as Pick, Bar::None),
        ("read before, p99", &long.warm_ms, p99, Bar::AtMost(1.0)),
        ("anywhere, p50", &long.anywhere_ms, p50, Bar::None),
        ("anywhere, p99", &long.anywhere_ms, p99, Bar::None),
    ] {
        let figure = Median::of(&runs.iter().map(pick).collect::<Vec<_>>());
        let what = format!("{of}: {what}");
        judged.extend(figure.map(|figure| Judged::new(what, figure, "ms", bar)));
    }
}

type Pick = fn(&Quantiles) -> f64;

const fn p50(times: &Quantiles) -> f64 {
    times.p50
}

const fn p99(times: &Quantiles) -> f64 {
    times.p99
}

/// How long pages took, one after the other.
async fn pages(
    reader: &Session,
    room: &Room,
    anchors: impl Iterator<Item = u64>,
) -> Result<Quantiles, Failure> {
    let mut times = Vec::new();
    for anchor in anchors {
        times.push(read(reader, room, anchor).await?);
    }
    Ok(Quantiles::of(&mut times).ok_or("no page was read")?)
}

async fn write(session: Session, room: Room, left: Arc<AtomicU64>) -> Result<(), Failure> {
    let take = |left: u64| left.checked_sub(1);
    while (left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)).is_ok() {
        session.send(&room, text()).await?;
    }
    Ok(())
}

/// How long one page took, in ms.
async fn read(reader: &Session, room: &Room, anchor: u64) -> Result<f64, Failure> {
    let begun = Instant::now();
    let page = reader
        .history(room, Direction::Before, Seq(anchor), PAGE_EVENTS)
        .await?;
    let took = begun.elapsed().as_secs_f64() * 1000.0;
    if page.events.len() == PAGE_EVENTS as usize {
        return Ok(took);
    }
    Err(format!("{} events below {anchor}", page.events.len()).into())
}
