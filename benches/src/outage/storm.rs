//! One storm: everybody says something, loses their connection in the middle of it, and comes back.

use std::{sync::Arc, time::Instant};

use serde::Serialize;
use tokio::sync::watch;

use super::{Board, Door, Order, board::Notes, knocking};
use crate::{
    host::{Failure, Hosting},
    machine::Quantiles,
};

/// One storm from calm to calm.
#[derive(Debug, Serialize)]
pub struct Storm {
    /// What happened.
    pub cause: Cause,
    /// From the first socket cut, or from the order to leave, until the last client had lost its own.
    pub cutting_ms: f64,
    /// When clients were told to come back, by bye, in ms; absent where no bye said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub told: Option<Quantiles>,
    /// From the cut until a client was welcomed again, in ms.
    pub welcomed: Quantiles,
    /// Most welcomes in any second.
    pub welcomes_per_second_max: usize,
    /// From the cut until what it said in the moment of the cut was acknowledged.
    pub acknowledged: Quantiles,
    /// Tries that failed.
    pub failures: usize,
    /// What strangers met meanwhile.
    pub door: Door,
}

/// What makes everybody lose their connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Every socket was cut.
    SocketsCut,
    /// The host left, said when to return, and came back.
    HostLeft,
}

/// One storm from calm to calm, and what each of so many clients says before it and in its moment.
///
/// # Errors
/// What failed, or that it took too long.
pub async fn storm(
    clients: u64,
    host: &mut Hosting,
    board: &Arc<Board>,
    orders: &watch::Sender<Order>,
    round: u32,
    cause: Cause,
) -> Result<Storm, Failure> {
    let before = clients * u64::from(round) * 2;
    orders.send(Order::Say(10 * round))?;
    board.reach(&board.acknowledged, before + clients).await?;
    *board.notes() = Notes::default();

    let address = host.address;
    let begun = Instant::now();
    let moment = 10 * round + 1;
    let over = board.reach(&board.acknowledged, before + 2 * clients);
    let door = match cause {
        Cause::SocketsCut => {
            orders.send(Order::SayAndCut(moment))?;
            knocking(address, over).await?
        }
        Cause::HostLeft => {
            orders.send(Order::Say(moment))?;
            let back = async {
                tokio::task::block_in_place(|| host.restart())?;
                over.await
            };
            knocking(address, back).await?
        }
    };
    board
        .reach(&board.acknowledged, before + 2 * clients)
        .await?;
    board.reach(&board.live, clients).await?;

    let notes = board.notes();
    let since = |times: &[Instant]| -> Vec<f64> {
        let ms = |at: &Instant| at.saturating_duration_since(begun).as_secs_f64() * 1000.0;
        times.iter().map(ms).collect()
    };
    let welcomed = since(&notes.welcomed);
    let crowd = |&from: &f64| {
        let second = from..from + 1000.0;
        welcomed.iter().filter(|at| second.contains(at)).count()
    };
    Ok(Storm {
        cause,
        cutting_ms: since(&notes.lost).into_iter().fold(0.0, f64::max),
        told: Quantiles::of(&mut notes.told_ms.clone()),
        welcomes_per_second_max: welcomed.iter().map(crowd).max().unwrap_or(0),
        welcomed: Quantiles::of(&mut welcomed.clone()).ok_or("nobody came back")?,
        acknowledged: Quantiles::of(&mut since(&notes.acknowledged)).ok_or("nothing was said")?,
        failures: notes.failures,
        door,
    })
}
