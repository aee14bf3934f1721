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
    /// A page that has been read before, in ms.
    pub warm_ms: Option<Quantiles>,
    /// A page at a place that has not been read in this run, in ms.
    pub first_ms: Option<Quantiles>,
}

/// Fills a room, and reads it.
///
/// # Errors
/// The engine's.
pub async fn long(folder: &Path, messages: u64, judged: &mut Vec<Judged>) -> Result<Long, Failure> {
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
    let anywhere = |round: u64| 51 + round.wrapping_mul(0x9e37_79b9_7f4a_7c15) % messages.max(1);
    let mut first = Vec::new();
    for round in 0..TIMED {
        first.push(read(&reader, &room, anywhere(round)).await?);
    }
    for round in 0..WARMING {
        read(&reader, &room, anywhere(round % PLACES)).await?;
    }
    let mut warm = Vec::new();
    for round in 0..TIMED {
        warm.push(read(&reader, &room, anywhere(round % PLACES)).await?);
    }
    engine.shut_down(CloseCode::ShuttingDown, None).await;
    let long = Long {
        messages,
        written_per_s,
        warm_ms: Quantiles::of(&mut warm),
        first_ms: Quantiles::of(&mut first),
    };
    tell(&long, judged);
    Ok(long)
}

fn tell(long: &Long, judged: &mut Vec<Judged>) {
    let of = format!("a page of {PAGE_EVENTS} from {} messages", long.messages);
    let figure =
        |times: Option<Quantiles>, pick: fn(Quantiles) -> f64| times.map_or(f64::NAN, pick);
    for (what, figure, bar) in [
        (
            "read before, p50",
            figure(long.warm_ms, |it| it.p50),
            Bar::None,
        ),
        (
            "read before, p99",
            figure(long.warm_ms, |it| it.p99),
            Bar::AtMost(1.0),
        ),
        (
            "anywhere, p50",
            figure(long.first_ms, |it| it.p50),
            Bar::None,
        ),
        (
            "anywhere, p99",
            figure(long.first_ms, |it| it.p99),
            Bar::None,
        ),
    ] {
        let what = format!("{of}: {what}");
        judged.push(Judged::new(what, Median::exact(figure), "ms", bar));
    }
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
