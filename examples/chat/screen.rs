//! What the person sees: the conversation on stdout, everything about it on stderr. Colours only where
//! there is a terminal, so that a pipe gets plain lines.

use std::io::{self, IsTerminal, Write};

use homeroom_client::{EventBody, Lost, TimelineEvent, Timestamp, UserId};

const DIM: &str = "2";
/// Readable on light and dark alike.
const NAME_COLOURS: [&str; 6] = ["31", "32", "33", "34", "35", "36"];

pub(crate) struct Screen {
    me: UserId,
    colours: bool,
    notice_colours: bool,
    /// Whether what is typed is echoed on the same screen.
    echoes: bool,
}

impl Screen {
    pub(crate) fn new(me: UserId) -> Self {
        let colours = io::stdout().is_terminal();
        Self {
            me,
            colours,
            notice_colours: io::stderr().is_terminal(),
            echoes: colours && io::stdin().is_terminal(),
        }
    }

    /// Something that happened in the room. Fails when nobody reads stdout any more.
    pub(crate) fn event(&self, event: &TimelineEvent) -> io::Result<()> {
        let time = paint(self.colours, DIM, &clock(event.time));
        let author = &event.author;
        let what = match &event.body {
            EventBody::Message(message) => {
                let name = paint(self.colours, colour_of(author), author.as_str());
                format!("{name}: {}", printable(&message.text))
            }
            EventBody::MessageEdited {
                target, message, ..
            } => {
                let name = paint(self.colours, colour_of(author), author.as_str());
                let text = printable(&message.text);
                format!(
                    "{name}: {text} {}",
                    self.dim(&format!("(was #{})", target.0))
                )
            }
            EventBody::MessageDeleted { target, .. } => {
                self.dim(&format!("{author} took back #{}", target.0))
            }
            EventBody::Tombstone { .. } => self.dim("a message was taken back"),
            EventBody::ReactionSet {
                target,
                reaction,
                on,
            } => {
                let emoji = printable(reaction.emoji.as_str());
                let verb = if *on { "reacted with" } else { "took back" };
                self.dim(&format!("{author} {verb} {emoji} to #{}", target.0))
            }
            EventBody::MemberJoined => self.dim(&format!("{author} joined")),
            EventBody::MemberLeft => self.dim(&format!("{author} left")),
            EventBody::MemberAdded { member } => self.dim(&format!("{author} added {member}")),
            EventBody::MemberRemoved { member } => self.dim(&format!("{author} removed {member}")),
            EventBody::RoomCreated { info, .. } => match &info.title {
                Some(title) => self.dim(&format!("{author} made this room: {}", printable(title))),
                None => self.dim(&format!("{author} made this room")),
            },
            // Of what else happens a chat says nothing.
            _ => return Ok(()),
        };
        let mut out = io::stdout().lock();
        writeln!(out, "{time} {what}")?;
        out.flush()
    }

    /// Who types now.
    pub(crate) fn typing(&self, users: &[UserId], count: u32) {
        let others: Vec<_> = users.iter().filter(|user| **user != self.me).collect();
        let unnamed = (count as usize).saturating_sub(users.len());
        match (others.as_slice(), unnamed) {
            ([], 0) => {}
            ([one], 0) => self.notice(&format!("{one} is typing…")),
            ([one, two], 0) => self.notice(&format!("{one} and {two} are typing…")),
            (others, unnamed) => {
                self.notice(&format!("{} people are typing…", others.len() + unnamed));
            }
        }
    }

    /// Something about the conversation. A stderr that nobody reads is no reason to stop.
    pub(crate) fn notice(&self, text: &str) {
        let line = paint(self.notice_colours, DIM, text);
        drop(writeln!(io::stderr().lock(), "{line}"));
    }

    /// There is no connection, and why, and when the next is tried.
    pub(crate) fn lost(&self, was_connected: bool, why: &Lost, retry_in_ms: Option<u64>) {
        self.notice(&lost_line(was_connected, why, retry_in_ms));
    }

    /// Takes back the echo of a line that was typed: it comes again with its time, once it is stored.
    pub(crate) fn unecho(&self) {
        if self.echoes {
            drop(write!(io::stdout().lock(), "\x1b[1A\x1b[2K"));
        }
    }

    fn dim(&self, text: &str) -> String {
        paint(self.colours, DIM, text)
    }
}

fn lost_line(was_connected: bool, why: &Lost, retry_in_ms: Option<u64>) -> String {
    let what = if was_connected { "disconnected: " } else { "" };
    let next = retry_in_ms.map_or(String::new(), |ms| {
        format!("; next try in {}.{} s…", ms / 1000, ms % 1000 / 100)
    });
    format!("{what}{why}{next}")
}

fn paint(colours: bool, code: &str, text: &str) -> String {
    if colours {
        format!("\x1b[{code}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

/// The same for a name each time.
fn colour_of(name: &UserId) -> &'static str {
    let sum: usize = name.as_str().bytes().map(usize::from).sum();
    NAME_COLOURS[sum % NAME_COLOURS.len()]
}

/// What others wrote must not steer this terminal.
pub(crate) fn printable(text: &str) -> String {
    let visible = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().map(visible).collect()
}

/// Hours, minutes and seconds, UTC: the standard library knows no time zones.
fn clock(time: Timestamp) -> String {
    let seconds = time.0 / 1000;
    let (hours, minutes) = (seconds / 3600 % 24, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}", seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_for_a_host_sees_why_from_the_first_try_on() {
        let refused = Lost::Socket("cannot connect: Connection refused".to_owned());
        assert_eq!(
            lost_line(false, &refused, Some(1_250)),
            "cannot connect: Connection refused; next try in 1.2 s…"
        );
        assert_eq!(
            lost_line(true, &Lost::Silent { after_ms: 5 }, None),
            "disconnected: nothing heard for 5 ms"
        );
    }
}
