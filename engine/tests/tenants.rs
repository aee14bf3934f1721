//! Two tenants with the same names in them never see each other; somebody tries.
#![cfg(test)]

mod engine_support;

use engine_support::{Scene, code, name, text, texts_until};
use homeroom_engine::{Identity, Session, Tenant, session::Room};
use homeroom_protocol::{Direction, ErrorCode, IdempotencyKey, ResetReason, Seq};

#[tokio::test]
async fn tenants_never_meet() {
    let scene = Scene::on_disk().await;
    let north = scene.engine.tenant(&name("north")).await.unwrap();
    let south = scene.engine.tenant(&name("south")).await.unwrap();
    let ana = || Identity::user("ana").unwrap();
    let (north_ana, mut to_north) = north.connect(ana()).await.unwrap();
    let (south_ana, mut to_south) = south.connect(ana()).await.unwrap();
    let key = IdempotencyKey([1; 16]);
    let north_room = north_ana.enter("lobby").await.unwrap();
    let south_room = south_ana.enter("lobby").await.unwrap();
    assert_eq!(
        north_room, south_room,
        "the same names and numbers on both sides"
    );
    let north_position = north_ana
        .send_with_key(&north_room, "north", key)
        .await
        .unwrap()
        .position;
    south_ana
        .send_with_key(&south_room, "south", key)
        .await
        .unwrap();
    north_ana.typing(&north_room, true).await.unwrap();
    north_ana.send(&north_room, "end").await.unwrap();
    south_ana.send(&south_room, "end").await.unwrap();
    assert_eq!(texts_until(&mut to_north, "end").await, ["north", "end"]);
    assert_eq!(texts_until(&mut to_south, "end").await, ["south", "end"]);
    let page = |session: Session, room| async move {
        let page = session
            .history(&room, Direction::After, Seq(0), 100)
            .await
            .unwrap();
        page.events.iter().filter_map(text).collect::<Vec<_>>()
    };
    assert_eq!(page(north_ana, north_room).await, ["north", "end"]);
    assert_eq!(page(south_ana, south_room).await, ["south", "end"]);
    // What is known of one side opens nothing on the other.
    let (eve, _events) = south.connect(Identity::user("eve").unwrap()).await.unwrap();
    let (_ben, _events) = north.connect(Identity::user("ben").unwrap()).await.unwrap();
    let secret = room_of_the_north(&north).await;
    let refused = eve.history(&secret, Direction::After, Seq(0), 10).await;
    assert_eq!(code(&refused.unwrap_err()), ErrorCode::NotMember);
    let refused = eve.join(&secret.id, None).await;
    assert_eq!(code(&refused.unwrap_err()), ErrorCode::RoomNotFound);
    let strangers = vec!["ben".parse().unwrap(), "ana".parse().unwrap()];
    assert_eq!(eve.watch(strangers).await.unwrap(), []);
    let lobby = eve.enter("lobby").await.unwrap();
    let joined = eve.join(&lobby.id, Some(north_position)).await.unwrap();
    assert_eq!(joined.reset, Some(ResetReason::EpochChanged));
}

/// A room of the north alone.
async fn room_of_the_north(north: &Tenant) -> Room {
    let (ana, _events) = north.connect(Identity::user("ana").unwrap()).await.unwrap();
    let room = ana.enter("secret").await.unwrap();
    ana.send(&room, "for the north only").await.unwrap();
    room
}
