//! A live, durable room inside a program of your own: no server, no socket.
//!
//! Run with: `cargo run -p homeroom-examples --example embedded`
#![expect(clippy::print_stdout, reason = "it shows what it does")]

use homeroom_engine::{
    Config, Engine, Event, Identity,
    protocol::{CloseCode, EventBody},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let engine = Engine::open(Config::in_folder(folder.path())).await?;
    let school = engine.tenant(&"north-school".parse()?).await?;

    let (ana, mut heard_by_ana) = school.connect(Identity::user("ana")?).await?;
    let (ben, _heard_by_ben) = school.connect(Identity::user("ben")?).await?;
    let room = ana.enter("class-7b").await?;
    ben.enter("class-7b").await?;

    let sent = ben.send(&room, "Good morning!").await?;
    println!(
        "ben's message is on disk as number {} of the room",
        sent.position.seq.0
    );

    while let Some(event) = heard_by_ana.next().await {
        let Event::Timeline { event, .. } = event else {
            continue;
        };
        if let EventBody::Message(message) = event.body {
            println!("ana heard {}: {}", event.author, message.text);
            break;
        }
    }
    engine.shut_down(CloseCode::ShuttingDown, None).await;
    Ok(())
}
