//! A terminal chat: two of these and a host are all of Homeroom in one view. Kill the host and start
//! it again: what was said is there, what you typed meanwhile follows.
//!
//! ```text
//! cargo run -p homeroom-examples --example chat -- --name ana --room lobby
//! ```

mod arguments;
mod screen;

use std::{
    io::{self, BufRead},
    process::ExitCode,
};

use arguments::Arguments;
use homeroom_client::{
    Auth, Client, Direction, Event, Events, Joined, Limits, Options, Page, Presence, RequestError,
    RoomId, Seq, TimelineEvent, UserId, UserPresence,
};
use screen::Screen;
use tokio::{sync::mpsc, task::JoinSet};

/// Events shown when the room is entered, and by each `/history`.
const PAGE: u32 = 20;
/// Lines that may wait to be stored; then no more are read.
const UNSTORED_MAX: usize = 256;
/// Events that may wait for the history that goes before them.
const HELD_MAX: usize = 1_000;
/// A person looks on: reconnects are tried more often than a crowd of clients should.
const LONGEST_WAIT_MS: u64 = 4_000;
/// Above every seq: the history page from there is the newest.
const NEWEST: Seq = Seq((1 << 53) - 1);

/// One thread: everything here waits, nothing computes.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = match arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(why) => return fail(&why),
    };
    let screen = Screen::new(arguments.name.clone());
    let (client, events) = match connect(&arguments) {
        Ok(connected) => connected,
        Err(why) => return fail(&why),
    };
    screen.notice(&format!(
        "{} at {} as {} · /who /history /quit · times are UTC",
        arguments.room, arguments.url, arguments.name
    ));
    let chat = Chat {
        me: arguments.name,
        room: arguments.room,
        screen,
        jobs: JoinSet::new(),
        unstored: 0,
        refused: false,
        entered: false,
        open: true,
        connected: false,
        oldest: None,
        held: Some(Vec::new()),
        client,
    };
    chat.run(events, stdin_lines()).await
}

fn fail(why: &str) -> ExitCode {
    use io::Write;
    drop(writeln!(io::stderr(), "{why}"));
    ExitCode::FAILURE
}

fn connect(arguments: &Arguments) -> Result<(Client, Events), String> {
    let random = getrandom::u64().map_err(|why| why.to_string())?;
    let name = arguments.name.clone();
    let options = Options {
        url: arguments.url.clone(),
        tenant: arguments.tenant.clone(),
        auth: Auth::Guest { name },
        device: format!("chat-{random:016x}")
            .parse()
            .map_err(|why| format!("the device {why}"))?,
        limits: Limits {
            backoff_max_ms: LONGEST_WAIT_MS,
            ..Limits::default()
        },
    };
    Client::connect(options).map_err(|why| why.to_string())
}

/// Reads stdin in a thread of its own, which the end of the program need not wait for.
fn stdin_lines() -> mpsc::Receiver<String> {
    let (lines, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if lines.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

struct Chat {
    client: Client,
    me: UserId,
    room: RoomId,
    screen: Screen,
    /// What was asked of the server and not yet answered.
    jobs: JoinSet<Done>,
    unstored: usize,
    refused: bool,
    entered: bool,
    /// Whether more lines may come.
    open: bool,
    connected: bool,
    /// The oldest event shown.
    oldest: Option<Seq>,
    /// Events that wait until the history before them is shown.
    held: Option<Vec<TimelineEvent>>,
}

/// A job that ended.
enum Done {
    Entered(Result<(Joined, Page), RequestError>),
    Stored(Result<(), RequestError>),
    Earlier(Result<Page, RequestError>),
    Who(Result<Vec<UserPresence>, RequestError>),
}

/// Why the chat ends.
enum End {
    /// All is said.
    Well,
    /// With this explanation.
    Badly(String),
}

impl Chat {
    async fn run(mut self, mut events: Events, mut lines: mpsc::Receiver<String>) -> ExitCode {
        self.enter();
        let end = loop {
            if !self.open && self.entered && self.jobs.is_empty() {
                break End::Well;
            }
            let ended = tokio::select! {
                event = events.next() => match event {
                    Some(event) => self.happened(event),
                    None => Err(End::Well),
                },
                line = lines.recv(), if self.open && self.entered && self.unstored < UNSTORED_MAX => {
                    match line {
                        Some(line) => self.typed(line.trim()),
                        None => {
                            self.open = false;
                            Ok(())
                        }
                    }
                }
                Some(done) = self.jobs.join_next() => match done {
                    Ok(done) => self.done(done),
                    Err(broken) => Err(End::Badly(broken.to_string())),
                },
            };
            if let Err(end) = ended {
                break end;
            }
        };
        self.client.close().await;
        match end {
            End::Well if self.unstored > 0 => fail("some lines were not stored"),
            End::Well if self.refused => ExitCode::FAILURE,
            End::Well => ExitCode::SUCCESS,
            End::Badly(why) => fail(&why),
        }
    }

    /// Goes into the room, and reads what was said last. The page and the events that follow meet
    /// exactly.
    fn enter(&mut self) {
        let (client, room) = (self.client.clone(), self.room.clone());
        self.jobs.spawn(async move {
            let enter = async {
                let joined = client.create_or_join(&room, None, None).await?;
                let before = joined.position.seq.next();
                let page = client.history(&room, Direction::Before, before, PAGE);
                Ok((joined, page.await?))
            };
            Done::Entered(enter.await)
        });
    }

    fn happened(&mut self, event: Event) -> Result<(), End> {
        match event {
            Event::Connected { resumed, .. } => {
                self.connected = true;
                if resumed {
                    self.screen.notice("connected again");
                }
            }
            Event::Disconnected { why, retry_in_ms } => {
                let was_connected = std::mem::take(&mut self.connected);
                self.screen.lost(was_connected, &why, retry_in_ms);
            }
            Event::Timeline { event, .. } => match &mut self.held {
                Some(held) if held.len() < HELD_MAX => held.push(event),
                Some(_) => {
                    self.release()?;
                    return self.show(&event);
                }
                None => return self.show(&event),
            },
            Event::Typing { users, count, .. } => self.screen.typing(&users, count),
            Event::Reset { .. } => {
                self.screen.notice("the room began anew; /history shows it");
                self.oldest = None;
            }
            Event::Removed { .. } => {
                return Err(End::Badly("you are no longer in the room".into()));
            }
            Event::AuthenticationNeeded { explanation, code } => {
                let why = format!("the host does not let you in: {explanation} ({code})");
                return Err(End::Badly(why));
            }
            Event::Stopped { why } => return Err(End::Badly(why.to_string())),
            Event::Presence { .. }
            | Event::Dropped { .. }
            | Event::Passed { .. }
            | Event::Signals { .. }
            | Event::Occupancy { .. }
            | Event::Stream { .. }
            | Event::StreamReset { .. }
            | Event::StreamEnded { .. } => {}
        }
        Ok(())
    }

    fn typed(&mut self, line: &str) -> Result<(), End> {
        match line {
            "" => {}
            // What was said is stored first, unless that may take long.
            "/quit" if self.connected || self.unstored == 0 => self.open = false,
            "/quit" => return Err(End::Well),
            "/who" => self.ask_who(),
            "/history" => self.ask_earlier(),
            command if command.starts_with('/') => {
                self.screen.notice("/who, /history or /quit");
            }
            text => self.say(text.to_owned()),
        }
        Ok(())
    }

    /// Jobs begin in the order they are spawned in: lines stay in theirs.
    fn say(&mut self, text: String) {
        self.screen.unecho();
        if !self.connected {
            self.screen.notice(&format!("waits for the host: {text}"));
        }
        self.unstored += 1;
        let (client, room) = (self.client.clone(), self.room.clone());
        self.jobs.spawn(async move {
            let stored = client.send(&room, &text).await;
            Done::Stored(stored.map(|_| ()))
        });
    }

    fn ask_earlier(&mut self) {
        let (client, room) = (self.client.clone(), self.room.clone());
        let before = self.oldest.unwrap_or(NEWEST);
        self.jobs.spawn(async move {
            let page = client.history(&room, Direction::Before, before, PAGE);
            Done::Earlier(page.await)
        });
    }

    fn ask_who(&mut self) {
        let (client, room) = (self.client.clone(), self.room.clone());
        self.jobs.spawn(async move {
            let who = async {
                let members = client.members(&room, None, 256).await?;
                client.watch(members.users).await
            };
            Done::Who(who.await)
        });
    }

    fn done(&mut self, done: Done) -> Result<(), End> {
        match done {
            Done::Entered(Ok((joined, page))) => {
                self.entered = true;
                self.show_page(&page)?;
                self.screen.notice(&match joined.members {
                    0 | 1 => format!("you are alone in {}", self.room),
                    2 => format!("you are in {} with one other", self.room),
                    members => format!("you are in {} with {} others", self.room, members - 1),
                });
                self.release()?;
            }
            Done::Entered(Err(why)) => return Err(End::Badly(format!("cannot enter: {why}"))),
            Done::Stored(stored) => {
                self.unstored -= 1;
                if let Err(why) = stored {
                    self.refused = true;
                    self.screen.notice(&format!("not said: {why}"));
                }
            }
            Done::Earlier(Ok(page)) if page.events.is_empty() => {
                self.screen.notice("nothing was said before that");
            }
            Done::Earlier(Ok(page)) => {
                self.screen.notice("earlier:");
                self.show_page(&page)?;
                self.screen.notice("— until here");
            }
            Done::Who(Ok(users)) => {
                let names: Vec<_> = users.iter().map(|user| self.describe(user)).collect();
                self.screen.notice(&names.join(", "));
            }
            Done::Earlier(Err(why)) | Done::Who(Err(why)) => self.screen.notice(&why.to_string()),
        }
        Ok(())
    }

    fn describe(&self, of: &UserPresence) -> String {
        let state = match of.presence {
            _ if of.user == self.me => "you",
            Presence::Active => "here",
            Presence::Idle => "idle",
            Presence::Away => "away",
            Presence::Busy => "busy",
            Presence::Offline => "offline",
        };
        match &of.status {
            Some(status) => format!("{} ({state}: {})", of.user, screen::printable(status)),
            None => format!("{} ({state})", of.user),
        }
    }

    fn show_page(&mut self, page: &Page) -> Result<(), End> {
        if let Some(first) = page.events.first() {
            self.oldest = Some(first.seq);
        }
        page.events.iter().try_for_each(|event| self.show(event))
    }

    /// Shows what waited for the history.
    fn release(&mut self) -> Result<(), End> {
        let held = self.held.take().unwrap_or_default();
        held.iter().try_for_each(|event| self.show(event))
    }

    fn show(&mut self, event: &TimelineEvent) -> Result<(), End> {
        self.oldest.get_or_insert(event.seq);
        // Nobody reads stdout any more, as behind `| head`: there is nothing left to do.
        self.screen.event(event).map_err(|_| End::Well)
    }
}
