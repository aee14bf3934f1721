//! The tenant that floods: from a process of its own, whose connections keep as many sends unanswered as they may.

use std::{
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use homeroom_protocol::{
    ClientFrame, Request, RequestId, RoomNumber, ServerFrame, encode_client_frame,
};
use tokio::task::JoinSet;

use super::{FLOODED, join, key, make_room};
use crate::{
    host::{Failure, tenant},
    line::Line,
    text,
};

/// Requests of one connection that may wait for their reply, as its welcome says.
const IN_FLIGHT_MAX: u64 = 32;

/// The flood, in a process of its own; it ends with its owner.
#[derive(Debug)]
pub(super) struct Flooding {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Flooding {
    /// Blocks until it is at work.
    pub(super) fn start(
        address: SocketAddr,
        connections: u32,
        listeners: u32,
    ) -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--flood")
            .args([
                address.to_string(),
                connections.to_string(),
                listeners.to_string(),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let orders = child.stdin.take().ok_or("no pipe to the flood")?;
        let answers = child.stdout.take().ok_or("no pipe from the flood")?;
        let mut flooding = Self {
            child,
            orders,
            answers: BufReader::new(answers),
        };
        flooding.stored()?;
        Ok(flooding)
    }

    /// How many of its messages were stored so far.
    pub(super) fn stored(&mut self) -> Result<u64, Failure> {
        writeln!(self.orders)?;
        let mut count = String::new();
        self.answers.read_line(&mut count)?;
        Ok(count.trim().parse()?)
    }
}

impl Drop for Flooding {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Is the flood: each connection keeps as many sends unanswered as it may, until the orders end.
///
/// # Errors
/// The host's, and what it refused.
pub async fn flood(address: SocketAddr, connections: u64, listeners: u32) -> Result<(), Failure> {
    let flooded = tenant(FLOODED);
    let mut maker = Line::enter(address, &flooded, "maker").await?;
    make_room(&mut maker).await?;
    let mut listening = JoinSet::new();
    for number in 0..listeners {
        let mut line = Line::enter(address, &flooded, &format!("listener-{number}")).await?;
        join(&mut line).await?;
        listening.spawn(async move { while matches!(line.next().await, Ok(Some(_))) {} });
    }
    let stored = Arc::new(AtomicU64::new(0));
    for number in 1..=connections {
        let mut line = Line::enter(address, &flooded, &format!("flooder-{number}")).await?;
        let room = join(&mut line).await?;
        tokio::spawn(pour(line, room, number, Arc::clone(&stored)));
    }
    let orders = tokio::task::spawn_blocking(move || {
        for order in std::io::stdin().lines() {
            order?;
            let mut stdout = std::io::stdout();
            writeln!(stdout, "{}", stored.load(Ordering::Relaxed))?;
            stdout.flush()?;
        }
        Ok::<_, std::io::Error>(())
    });
    Ok(orders.await??)
}

async fn pour(
    mut line: Line,
    room: RoomNumber,
    who: u64,
    stored: Arc<AtomicU64>,
) -> Result<(), Failure> {
    let (mut next, mut in_flight) = (0, 0);
    loop {
        let mut message = Vec::new();
        while in_flight < IN_FLIGHT_MAX {
            let request = Request::Send {
                key: key(who, next),
                room,
                draft: text().into(),
            };
            let id = RequestId(next + 100);
            encode_client_frame(&ClientFrame::Request { id, request }, &mut message);
            (next, in_flight) = (next + 1, in_flight + 1);
        }
        if !message.is_empty() {
            line.send(&message).await?;
        }
        for frame in line.frames().await? {
            match frame {
                ServerFrame::Sent { .. } => {
                    in_flight -= 1;
                    stored.fetch_add(1, Ordering::Relaxed);
                }
                // Refused: it is sent again, under another key, which floods as well.
                ServerFrame::Error { .. } => in_flight -= 1,
                _ => {}
            }
        }
    }
}
