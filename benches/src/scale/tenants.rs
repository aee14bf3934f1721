//! A thousand tenants with a durable message a second each: what that takes in threads, memory and time.

use std::{path::Path, time::Duration};

use homeroom_engine::{Config, Engine, Identity, Session, session::Room};
use homeroom_protocol::CloseCode;
use serde::Serialize;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{config, usage};
use crate::{
    host::Failure,
    judged::{Bar, Judged},
    load::Median,
    machine::Quantiles,
    text,
};

/// What it took.
#[derive(Debug, Serialize)]
pub struct Many {
    /// How many tenants.
    pub tenants: usize,
    /// From when each message was to leave until it was acknowledged, in ms.
    pub acknowledged_ms: Option<Quantiles>,
    /// The most threads that were seen.
    pub threads: u64,
    /// As many as there should be: the first, tokio's own, and those of the engine's storage calls, of which
    /// `storage_calls_max` commit and as many do all else.
    pub threads_max: u64,
    /// Memory with all tenants awake, less what there was before, in bytes.
    pub resident_bytes: u64,
    /// Share of one core.
    pub cpu: f64,
}

/// Runs them for so many seconds.
///
/// # Errors
/// The engine's.
pub async fn many(
    folder: &Path,
    tenants: usize,
    seconds: u64,
    judged: &mut Vec<Judged>,
) -> Result<Many, Failure> {
    let folder = tempfile::tempdir_in(folder)?;
    let before = usage::resident_bytes();
    let config = Config {
        folder: Some(folder.path().to_owned()),
        ..config()
    };
    let runtime_threads = tokio::runtime::Handle::current().metrics().num_workers();
    let storage_threads = 2 * config.storage_calls_max;
    let engine = Engine::open(config).await?;
    let mut speakers = Vec::new();
    for number in 0..tenants {
        let tenant = engine.tenant(&format!("tenant-{number}").parse()?).await?;
        let (speaker, _) = tenant.connect(Identity::user("ana")?).await?;
        let room = speaker.enter("class-7b").await?;
        speakers.push((speaker, room));
    }
    let begin = Instant::now() + Duration::from_millis(100);
    let cpu = usage::cpu();
    let mut talks = JoinSet::new();
    for (number, (speaker, room)) in speakers.into_iter().enumerate() {
        // Spread over the second, as nobody's clocks agree.
        let first = begin + Duration::from_secs(1).mul_f64(number as f64 / tenants as f64);
        talks.spawn(talk(speaker, room, first, seconds));
    }
    let mut threads = 0;
    let mut times = Vec::new();
    let mut looks = tokio::time::interval(Duration::from_millis(100));
    loop {
        tokio::select! {
            _ = looks.tick() => threads = threads.max(usage::threads()),
            said = talks.join_next() => match said {
                Some(said) => times.append(&mut said??),
                None => break,
            },
        }
    }
    let many = Many {
        tenants,
        acknowledged_ms: Quantiles::of(&mut times),
        threads,
        threads_max: (1 + runtime_threads + storage_threads) as u64,
        resident_bytes: usage::resident_bytes().saturating_sub(before),
        cpu: usage::cpu().saturating_sub(cpu).as_secs_f64() / begin.elapsed().as_secs_f64(),
    };
    engine.shut_down(CloseCode::ShuttingDown, None).await;
    tell(&many, judged);
    Ok(many)
}

fn tell(many: &Many, judged: &mut Vec<Judged>) {
    let of = format!("{} tenants, a durable message a second each", many.tenants);
    let p99 = many.acknowledged_ms.map_or(f64::NAN, |times| times.p99);
    let resident = many.resident_bytes as f64 / many.tenants as f64 / 1024.0;
    // How long a commit takes is the disk's, and how much memory a tenant has is for its settings to say, many of them.
    let threads_max = Bar::AtMost(many.threads_max as f64);
    for (what, figure, unit, bar) in [
        ("acknowledged, p99", p99, "ms", Bar::None),
        ("threads", many.threads as f64, "", threads_max),
        ("memory for each", resident, "KiB", Bar::None),
        ("processor", many.cpu, "cores", Bar::None),
    ] {
        let what = format!("{of}: {what}");
        judged.push(Judged::new(what, Median::exact(figure), unit, bar));
    }
}

/// One tenant's messages, a second apart whatever became of those before; how late each was kept, in ms.
async fn talk(
    speaker: Session,
    room: Room,
    first: Instant,
    seconds: u64,
) -> Result<Vec<f64>, Failure> {
    let mut times = Vec::new();
    for second in 0..seconds {
        let due = first + Duration::from_secs(second);
        sleep_until(due).await;
        speaker.send(&room, text()).await?;
        times.push(due.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(times)
}
