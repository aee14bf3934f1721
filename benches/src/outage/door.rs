//! Strangers at the door: they knock at even times, whatever becomes of those before them, and are timed until their
//! welcome.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde::Serialize;
use tokio::{task::JoinSet, time::sleep_until};

use super::school::TENANT;
use crate::{
    host::{Failure, tenant},
    line::Line,
    machine::Quantiles,
};

/// Between two strangers.
const KNOCK: Duration = Duration::from_millis(20);

/// How long strangers took from when they were to knock until they were welcomed, in ms.
#[derive(Debug, Serialize)]
pub struct Door {
    /// How often somebody knocked.
    pub knocks: usize,
    /// How many were not let in.
    pub refused: usize,
    /// How long the others took, in ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub welcomed: Option<Quantiles>,
}

/// Strangers come at even times until `over`.
///
/// # Errors
/// Those of `over`.
pub async fn knocking(
    address: SocketAddr,
    over: impl Future<Output = Result<(), Failure>>,
) -> Result<Door, Failure> {
    let done = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&done);
    let strangers = tokio::spawn(async move {
        let mut knocks = JoinSet::new();
        let begun = tokio::time::Instant::now();
        for number in 0_u32.. {
            let due = begun + KNOCK * number;
            sleep_until(due).await;
            if number > 0 && stop.load(Ordering::SeqCst) {
                break;
            }
            knocks.spawn(async move {
                let name = format!("stranger-{number}");
                let entered = Line::enter(address, &tenant(TENANT), &name).await;
                entered.map(|_line| due.elapsed().as_secs_f64() * 1000.0)
            });
        }
        knocks.join_all().await
    });
    over.await?;
    done.store(true, Ordering::SeqCst);
    let knocks = strangers.await?;
    let count = knocks.len();
    let mut welcomed: Vec<f64> = knocks.into_iter().flatten().collect();
    Ok(Door {
        knocks: count,
        refused: count - welcomed.len(),
        welcomed: Quantiles::of(&mut welcomed),
    })
}
