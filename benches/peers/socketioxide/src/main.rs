//! A peer of `compare`: rooms on socketioxide, as its own examples make them.
//!
//! `join` with a room's name answers when the client is in; `say` with that name and a text gives everyone in the
//! room but the speaker an `m` with the text. Start it with the port to listen on.

use std::{error::Error, net::Ipv4Addr, time::Duration};

use axum::{Router, serve::ListenerExt};
use socketioxide::{
    SocketIo,
    extract::{AckSender, Data, SocketRef},
};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::args().nth(1).ok_or("which port?")?.parse()?;
    // The load generator answers no pings, so none fall due while it measures.
    let (rooms, io) = SocketIo::builder()
        .ping_interval(Duration::from_secs(600))
        .build_layer();
    io.ns("/", async |socket: SocketRef| {
        socket.on(
            "join",
            async |socket: SocketRef, Data::<String>(room), ack: AckSender| {
                socket.join(room);
                ack.send(&()).ok();
            },
        );
        socket.on(
            "say",
            async |socket: SocketRef, Data::<(String, String)>((room, text))| {
                socket.to(room).emit("m", &text).await.ok();
            },
        );
    });
    // Small frames at once, as every other peer sends them.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await?
        .tap_io(|stream| {
            stream.set_nodelay(true).ok();
        });
    axum::serve(listener, Router::new().layer(rooms)).await?;
    Ok(())
}
