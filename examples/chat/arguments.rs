//! The command line: few options, so no parser is pulled in.

use homeroom_client::{RoomId, TenantName, UserId};

pub(crate) const USAGE: &str = "\
A terminal chat over Homeroom.

usage: chat --name NAME [--room ROOM] [--url URL] [--tenant TENANT]

  --name NAME      who you are
  --room ROOM      where you talk; made if it is not there  [lobby]
  --url URL        the host                                 [ws://127.0.0.1:7400]
  --tenant TENANT  the organisation                         [default]

What you type is said to the room. /who lists its members, /history shows what was said
earlier, /quit ends. With stdin a pipe, it ends when every line is stored.";

/// What the chat was started with.
#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) name: UserId,
    pub(crate) room: RoomId,
    pub(crate) url: String,
    pub(crate) tenant: TenantName,
}

/// Reads the options; the error is for the person who typed them.
pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let (mut name, mut room, mut tenant) = (None, "lobby".to_owned(), "default".to_owned());
    let mut url = "ws://127.0.0.1:7400".to_owned();
    while let Some(option) = words.next() {
        let mut value = || words.next().ok_or(format!("{option} needs a value"));
        match option.as_str() {
            "--name" => name = Some(value()?),
            "--room" => room = value()?,
            "--url" => url = value()?,
            "--tenant" => tenant = value()?,
            "--help" | "-h" => return Err(USAGE.to_owned()),
            other => return Err(format!("unknown option {other}\n\n{USAGE}")),
        }
    }
    let name = name.ok_or(format!("say who you are: --name NAME\n\n{USAGE}"))?;
    Ok(Arguments {
        name: name.parse().map_err(|why| format!("the name {why}"))?,
        room: room.parse().map_err(|why| format!("the room {why}"))?,
        tenant: tenant.parse().map_err(|why| format!("the tenant {why}"))?,
        url,
    })
}
