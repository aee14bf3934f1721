//! A host that echoes on `127.0.0.1`, for `.ci/autobahn`: prints its address and serves until it is killed.

use std::io::Write;

use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
    homeroom_server::echo::serve(listener)
        .await
        .map(|never| match never {})
}
