//! What `--try` does: somebody logs in, says something through the Rust client, and reads it.
#![expect(clippy::print_stdout, reason = "it shows what it does")]

use std::{error::Error, net::SocketAddr, time::Duration};

use homeroom_client::{Auth, Client, Event, EventBody, Events, Handshake, Limits, Options, RoomId};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// Longer than any of it takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Logs in, by form and cookie or else by a header, says something, and logs out where one can.
pub(crate) async fn run(
    address: SocketAddr,
    form: Option<&str>,
    header: Option<(&str, &str)>,
) -> Result<(), Failure> {
    let refused = ask(address, &upgrade_request()).await?;
    println!("without a login: {}", first_line(&refused));
    expect(refused.starts_with("HTTP/1.1 401"))?;
    if let Some(form) = form {
        return with_a_form(address, form).await;
    }
    let (name, value) = header.ok_or("no way to log in")?;
    let handshake = Handshake::default().with_header(name, value)?;
    talk(address, handshake).await.map(drop)
}

async fn with_a_form(address: SocketAddr, form: &str) -> Result<(), Failure> {
    let answer = ask(address, &post("/login", "", form)).await?;
    let cookie = answer
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "));
    let cookie = cookie.ok_or(answer.as_str())?;
    let cookie = cookie.split(';').next().unwrap_or_default();
    let handshake = Handshake::default().with_header("cookie", cookie)?;
    let mut events = talk(address, handshake).await?;

    ask(
        address,
        &post("/logout", &format!("Cookie: {cookie}\r\n"), ""),
    )
    .await?;
    let why = until(&mut events, |event| match event {
        Event::Disconnected { why, .. } => Some(why),
        _ => None,
    });
    println!("logged out: {:?}", why.await?);
    Ok(())
}

/// Says something and hears it.
async fn talk(address: SocketAddr, handshake: Handshake) -> Result<Events, Failure> {
    let options = Options {
        url: format!("ws://{address}/live"),
        tenant: "north-school".parse()?,
        // Who it is the server knows already.
        auth: Auth::Token(String::new()),
        device: "a trial's laptop".parse()?,
        limits: Limits::default(),
    };
    let (client, mut events) = Client::connect_with(options, handshake)?;
    let room: RoomId = "class-7b".parse()?;
    let talk = async {
        client.create_or_join(&room, None, None).await?;
        client.send(&room, "Good morning!").await
    };
    timeout(PATIENCE, talk).await??;
    let heard = until(&mut events, |event| match event {
        Event::Timeline { event, .. } => match event.body {
            EventBody::Message(message) => Some(format!("{}: {}", event.author, message.text)),
            _ => None,
        },
        _ => None,
    });
    let heard = heard.await?;
    println!("{heard}");
    expect(heard == "ana: Good morning!")?;
    Ok(events)
}

async fn until<T>(events: &mut Events, pick: impl Fn(Event) -> Option<T>) -> Result<T, Failure> {
    let search = async {
        while let Some(event) = events.next().await {
            if let Some(picked) = pick(event) {
                return Ok(picked);
            }
        }
        Err("the client ended".into())
    };
    timeout(PATIENCE, search).await?
}

fn post(path: &str, more: &str, form: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    )
}

fn upgrade_request() -> String {
    String::from(
        "GET /live HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: homeroom.v1.msgpack\r\n\r\n",
    )
}

/// One request on a connection of its own; the whole answer.
async fn ask(address: SocketAddr, request: &str) -> Result<String, Failure> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    Ok(timeout(PATIENCE, exchange).await??)
}

fn first_line(answer: &str) -> &str {
    answer.lines().next().unwrap_or_default()
}

fn expect(holds: bool) -> Result<(), Failure> {
    if holds {
        Ok(())
    } else {
        Err("that was not expected".into())
    }
}
