//! Reads everything a host has and holds it against the ledger.

use std::{net::SocketAddr, time::Duration};

use homeroom_client::{Client, Direction, Position, Seq, TimelineEvent, UserId};
use tokio::time::timeout;

use super::{
    clients::{Shared, client, locked},
    ledger::{Place, ROOMS, TENANTS},
};

/// Longer than a slow machine needs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A member of every room who never writes.
pub(crate) fn auditor() -> UserId {
    "auditor".parse().unwrap()
}

/// Makes the rooms of every tenant, with the auditor as their first member.
pub(crate) async fn make_rooms(address: SocketAddr) {
    for tenant in TENANTS {
        let (client, _events) = client(address, tenant, &auditor());
        for room in ROOMS {
            let room = room.parse().unwrap();
            client.create(&room, None).await.unwrap();
        }
        client.close().await;
    }
}

/// Reads every room from its first event on, while nobody writes.
pub(crate) async fn audit(address: SocketAddr, ledger: &Shared) {
    for tenant in TENANTS {
        let (client, _events) = client(address, tenant, &auditor());
        for room in ROOMS {
            let read = timeout(PATIENCE, history(&client, room)).await;
            let read = read.unwrap_or_else(|_| panic!("no history of {room} in {tenant}"));
            locked(ledger).audit(Place { tenant, room }, &read);
        }
        client.close().await;
    }
    locked(ledger).count_stored_unanswered();
    assert_nothing_wrong(ledger);
}

/// Fails with all that was found wrong so far.
pub(crate) fn assert_nothing_wrong(ledger: &Shared) {
    let wrong = std::mem::take(&mut locked(ledger).wrong);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

pub(crate) async fn history(client: &Client, room: &str) -> Vec<(Position, TimelineEvent)> {
    let room = room.parse().unwrap();
    let joined = client.join(&room, None).await.unwrap();
    let mut read: Vec<(Position, TimelineEvent)> = Vec::new();
    loop {
        let after = read.last().map_or(Seq(0), |(at, _)| at.seq);
        let page = client.history(&room, Direction::After, after, 100).await;
        let page = page.unwrap();
        let epoch = page.epoch;
        read.extend(page.events.into_iter().map(|event| {
            let seq = event.seq;
            (Position { epoch, seq }, event)
        }));
        if !page.more {
            assert_eq!(read.last().map(|(at, _)| at.seq), Some(joined.head));
            return read;
        }
    }
}
