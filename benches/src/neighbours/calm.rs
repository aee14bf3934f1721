//! The tenant that is to notice nothing: one speaks at even times, one hears it.

use std::{path::Path, time::Duration};

use homeroom_protocol::{
    ClientFrame, EventBody, Request, RequestId, RoomNumber, ServerFrame, encode_client_frame,
};
use tokio::{
    task::block_in_place,
    time::{Instant, sleep, sleep_until},
};

use super::{CALM, flood::Flooding, join, key, make_room};
use crate::{
    host::{Failure, Hosting, tenant},
    line::Line,
    text,
};

/// Between two messages of the neighbour: what a busy school says in a second, and far below what a machine
/// can do.
pub const PACE: Duration = Duration::from_millis(5);
/// Not measured, at the start of each run.
const WARM_UP: Duration = Duration::from_secs(1);

/// What was timed in one run.
#[derive(Debug, Default)]
pub struct Times {
    /// From when each message was to leave until its sender was told that it is stored, in ms.
    pub stored: Vec<f64>,
    /// The same until a listener had it.
    pub heard: Vec<f64>,
    /// Messages of the flood that were stored, each second.
    pub flood: f64,
}

/// One run of one case, on a host of its own.
///
/// # Errors
/// The host's, and what it refused.
pub async fn measure(
    seconds: u64,
    folder: &Path,
    (connections, listeners): (u32, u32),
) -> Result<Times, Failure> {
    let host = Hosting::start(folder)?;
    let calm = tenant(CALM);
    let mut speaker = Line::enter(host.address, &calm, "ana").await?;
    make_room(&mut speaker).await?;
    let room = join(&mut speaker).await?;
    let mut listener = Line::enter(host.address, &calm, "ben").await?;
    join(&mut listener).await?;
    let mut flooding = match connections {
        0 => None,
        _ => Some(block_in_place(|| {
            Flooding::start(host.address, connections, listeners)
        })?),
    };
    sleep(WARM_UP).await;
    let stored_before = match &mut flooding {
        Some(flooding) => flooding.stored()?,
        None => 0,
    };
    let begun = Instant::now();
    let count = u32::try_from(u128::from(seconds) * 1000 / PACE.as_millis())?;
    let heard = tokio::spawn(hear(listener, begun, count));
    let stored = pace(speaker, room, begun, count).await?;
    let heard = heard.await??;
    let flood = match &mut flooding {
        Some(flooding) => {
            let stored = flooding.stored()? - stored_before;
            f64::from(u32::try_from(stored)?) / begun.elapsed().as_secs_f64()
        }
        None => 0.0,
    };
    Ok(Times {
        stored,
        heard,
        flood,
    })
}

/// Sends at even times; how long after its time each message was stored.
async fn pace(
    mut line: Line,
    room: RoomNumber,
    begun: Instant,
    count: u32,
) -> Result<Vec<f64>, Failure> {
    let mut times = Vec::new();
    let mut next = 0;
    let mut message = Vec::new();
    while times.len() < usize::try_from(count)? {
        let due = begun + PACE * next;
        tokio::select! {
            biased;
            () = sleep_until(due), if next < count => {
                message.clear();
                let request = paced(room, next);
                let id = RequestId(u64::from(next) + 100);
                encode_client_frame(&ClientFrame::Request { id, request }, &mut message);
                line.send(&message).await?;
                next += 1;
            }
            frames = line.frames() => for frame in frames? {
                match frame {
                    ServerFrame::Sent { id, .. } => {
                        let due = begun + PACE * u32::try_from(id.0 - 100)?;
                        times.push(due.elapsed().as_secs_f64() * 1000.0);
                    }
                    ServerFrame::Error { explanation, .. } => return Err(explanation.into()),
                    _ => {}
                }
            }
        }
    }
    Ok(times)
}

/// How long after its time each message was heard; they come in order.
async fn hear(mut line: Line, begun: Instant, count: u32) -> Result<Vec<f64>, Failure> {
    let mut times = Vec::new();
    let mut next = 0;
    while next < count {
        for frame in line.frames().await? {
            if let ServerFrame::Event { event, .. } = frame
                && let EventBody::Message { .. } = event.body
            {
                let due = begun + PACE * next;
                times.push(due.elapsed().as_secs_f64() * 1000.0);
                next += 1;
            }
        }
    }
    Ok(times)
}

fn paced(room: RoomNumber, number: u32) -> Request {
    Request::Send {
        key: key(0, u64::from(number)),
        room,
        draft: text().into(),
    }
}
