//! What happens in a run: a shape of the world and a list of steps, both from one seed.
//!
//! Each step carries the chance that moves the world along behind it, so that a step can be dropped and the
//! others mean what they meant.

use std::fmt;

use crate::dice::Dice;

/// The rooms of every tenant; the last keeps nothing.
pub const ROOMS: [&str; 3] = ["hall", "class", "passing"];
/// The room that keeps nothing.
pub const PASSING: usize = 2;
/// The users of every tenant: the same names, so that tenants can be taken for each other.
pub const USERS: [&str; 3] = ["ada", "ben", "cleo"];

/// A whole run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where it comes from.
    pub seed: u64,
    /// The world it happens in.
    pub shape: Shape,
    /// What happens, in order.
    pub steps: Vec<Planned>,
}

/// A step and its chance.
#[derive(Debug, Clone)]
pub struct Planned {
    /// How the world moves along behind it; 0: not at all, the next step is beside it.
    pub salt: u64,
    /// What happens.
    pub step: Step,
}

/// How the world of a run is made.
#[derive(Debug, Clone)]
pub struct Shape {
    /// How many tenants there are.
    pub tenants: usize,
    /// How many clients: client `c` belongs to tenant `c % tenants`.
    pub clients: usize,
    /// How many of the users they are.
    pub users: usize,
    /// Workers of the hub.
    pub shards: usize,
    /// Whether a worker has one shard for all tenants, or one for each.
    pub shared_shards: bool,
    /// Bytes that a socket takes before it blocks.
    pub socket_bytes: usize,
    /// What may wait for a socket.
    pub outbox_bytes: usize,
    /// Most members of a room.
    pub members_max: usize,
    /// Idempotency keys in memory, and those of them kept whole.
    pub keys_max: (usize, usize),
    /// After how many records a snapshot is due.
    pub snapshot_every: u64,
    /// When a segment of the log is long enough.
    pub segment_bytes: u64,
}

/// What happens.
#[derive(Debug, Clone)]
pub enum Step {
    /// An app asks its client for something.
    Act {
        /// Which client.
        client: usize,
        /// What.
        act: Act,
    },
    /// A back end asks.
    Serve {
        /// Whose.
        tenant: usize,
        /// What.
        deed: Deed,
    },
    /// Something happens to a client's network, or to the client.
    Network {
        /// Which client's.
        client: usize,
        /// What.
        trouble: Trouble,
    },
    /// Something happens to the host.
    Host(HostTrouble),
    /// Time passes.
    Pass {
        /// How much.
        ms: u64,
    },
    /// Everything under way comes to its end, within a moment.
    Glance,
    /// All trouble ends, and time passes until nothing is to be expected any more.
    Quiet,
}

/// What an app does. Rooms are indices into [`ROOMS`], targets count back from the newest message.
#[derive(Debug, Clone)]
pub enum Act {
    /// Makes a room.
    Create(usize),
    /// Joins a room.
    Join(usize),
    /// Leaves a room.
    Leave(usize),
    /// Says something, in the thread of the newest message or outside, counted or quietly.
    Send {
        /// Where.
        room: usize,
        /// In a thread.
        thread: bool,
        /// Not counted.
        quiet: bool,
    },
    /// Says something again under its key, or something else under that key.
    Again {
        /// Counted back from the last thing said.
        back: usize,
        /// Something else.
        other: bool,
    },
    /// Puts other words in the place of a message.
    Edit(usize, usize),
    /// Takes a message back.
    Delete(usize, usize),
    /// Reacts, or takes that back.
    React {
        /// Where.
        room: usize,
        /// To what.
        back: usize,
        /// Or not.
        on: bool,
    },
    /// Says how far it has read, or marks as unread.
    Mark {
        /// Where.
        room: usize,
        /// Up to what.
        back: usize,
        /// "Unread from here".
        again: bool,
    },
    /// Marks everything as read.
    MarkAll,
    /// Types, or stops.
    Type(usize, bool),
    /// The device is idle, or active again.
    Idle(bool),
    /// Watches everybody.
    Watch,
    /// Shows a room, or none.
    View(Option<usize>),
    /// Says that the user is automatic, away, busy or invisible.
    Status(u8),
    /// Opens the user's own stream.
    OpenStream,
    /// Asks for the past of a room.
    History(usize),
}

/// What a back end does.
#[derive(Debug, Clone)]
pub enum Deed {
    /// Adds a member.
    Add(usize, usize),
    /// Ends a membership.
    Remove(usize, usize),
    /// Bans somebody.
    Ban(usize, usize),
    /// Lets somebody come back.
    Unban(usize, usize),
    /// Takes or gives back the sight of a room, from one user.
    Hide(usize, usize, bool),
    /// Takes or gives back the sight of a room, from everyone.
    HideFromAll(usize, bool),
    /// Takes or gives back the sight of all rooms, from everyone.
    Blind(bool),
    /// Says something.
    Publish(usize),
    /// Ends all sessions of a user.
    Revoke(usize),
}

/// What goes wrong between a client and the host.
#[derive(Debug, Clone, Copy)]
pub enum Trouble {
    /// The connection breaks; whether the host notices when it writes.
    Cut(bool),
    /// Nothing comes through to the client.
    Stall,
    /// It comes through again.
    Flow,
    /// The app ends, with a goodbye or without.
    Off(bool),
    /// The app starts, with the positions it kept.
    On,
}

/// What goes wrong with the host.
#[derive(Debug, Clone, Copy)]
pub enum HostTrouble {
    /// The process is killed.
    Kill,
    /// The power is cut.
    PowerCut,
    /// It is stopped in order and started again.
    Restart,
    /// A sync of its disk fails after so many calls.
    FailSync(u64),
    /// A write fails after so many calls.
    FailWrite(u64),
    /// Its disk is full, or has room again.
    Full(bool),
    /// Its disk becomes slow, or fast again.
    Slow(bool),
    /// Its index cannot be used, or can again.
    Blind(bool),
    /// A snapshot of a tenant begins.
    Snapshot(usize),
    /// The system's clock is set back.
    ClockBack(u64),
    /// It dies in the middle of a write or sync, so many calls from now.
    DieAt(u64),
}

impl Plan {
    /// The run of a seed, `steps` long.
    #[must_use]
    pub fn new(seed: u64, steps: usize) -> Self {
        let mut dice = Dice::new(seed);
        let shape = Shape::new(&mut dice);
        let mut plan = Self {
            seed,
            steps: Vec::with_capacity(steps),
            shape,
        };
        plan.begin(&mut dice);
        while plan.steps.len() < steps {
            let step = plan.shape.step(&mut dice);
            plan.push(&mut dice, step);
        }
        plan.push(&mut dice, Step::Quiet);
        plan
    }

    /// Rooms, and some of those who are in them from the start.
    fn begin(&mut self, dice: &mut Dice) {
        for client in 0..self.shape.clients {
            let first = client < self.shape.tenants;
            for room in 0..ROOMS.len() {
                if first {
                    let act = Act::Create(room);
                    self.push(dice, Step::Act { client, act });
                }
                if first || dice.chance(2, 3) {
                    let act = Act::Join(room);
                    self.push(dice, Step::Act { client, act });
                }
            }
            if dice.chance(2, 3) {
                let act = Act::Watch;
                self.push(dice, Step::Act { client, act });
            }
        }
    }

    fn push(&mut self, dice: &mut Dice, step: Step) {
        let is_beside = dice.chance(1, 2);
        let salt = if is_beside { 0 } else { dice.next() };
        self.steps.push(Planned { salt, step });
    }
}

impl Shape {
    fn new(dice: &mut Dice) -> Self {
        let tenants = 1 + dice.index(2);
        Self {
            tenants,
            clients: tenants * (2 + dice.index(3)),
            users: 2 + dice.index(2),
            shards: 1 + dice.index(2),
            shared_shards: dice.chance(1, 2),
            socket_bytes: *dice.pick(&[300, 1_000, 64_000]),
            outbox_bytes: *dice.pick(&[500, 4_000, 256_000]),
            members_max: *dice.pick(&[1, 2, 3, 100]),
            keys_max: *dice.pick(&[(4, 2), (8, 2), (1_000, 100)]),
            snapshot_every: *dice.pick(&[5, 20, 1_000]),
            segment_bytes: *dice.pick(&[600, 5_000, 1 << 20]),
        }
    }

    fn step(&self, dice: &mut Dice) -> Step {
        let client = dice.index(self.clients);
        match dice.below(100) {
            0..72 => Step::Act {
                client,
                act: act(dice),
            },
            72..80 => Step::Serve {
                tenant: dice.index(self.tenants),
                deed: self.deed(dice),
            },
            80..89 => Step::Network {
                client,
                trouble: trouble(dice),
            },
            89..94 => Step::Host(self.host_trouble(dice)),
            94..96 => Step::Pass {
                ms: *dice.pick(&[10, 500, 1_500, 4_000, 9_000]),
            },
            96..99 => Step::Glance,
            _ => Step::Quiet,
        }
    }

    fn deed(&self, dice: &mut Dice) -> Deed {
        let (room, user) = (room(dice), dice.index(self.users));
        match dice.below(24) {
            0 | 1 => Deed::Add(room, user),
            2 | 3 => Deed::Remove(room, user),
            4 => Deed::Ban(room, user),
            5 | 6 => Deed::Unban(room, user),
            7 => Deed::Hide(room, user, true),
            8 | 9 => Deed::Hide(room, user, false),
            10..=12 => Deed::HideFromAll(room, true),
            13..=15 => Deed::HideFromAll(room, false),
            16 | 17 => Deed::Publish(room),
            18 => Deed::Blind(true),
            19..=21 => Deed::Blind(false),
            _ => Deed::Revoke(user),
        }
    }

    fn host_trouble(&self, dice: &mut Dice) -> HostTrouble {
        match dice.below(20) {
            0 | 1 => HostTrouble::Kill,
            2..=4 => HostTrouble::PowerCut,
            5 | 6 => HostTrouble::Restart,
            7 => HostTrouble::FailSync(dice.below(6)),
            8 => HostTrouble::FailWrite(dice.below(6)),
            9 => HostTrouble::Full(true),
            10 => HostTrouble::Full(false),
            11 | 12 => HostTrouble::Slow(true),
            13 => HostTrouble::Slow(false),
            14 => HostTrouble::Blind(dice.chance(1, 2)),
            15 | 16 => HostTrouble::Snapshot(dice.index(self.tenants)),
            17 => HostTrouble::ClockBack(dice.below(3_000)),
            _ => HostTrouble::DieAt(dice.below(8)),
        }
    }
}

fn room(dice: &mut Dice) -> usize {
    match dice.below(8) {
        0..4 => 0,
        4..7 => 1,
        _ => PASSING,
    }
}

fn act(dice: &mut Dice) -> Act {
    let room = room(dice);
    let back = dice.index(4);
    match dice.below(60) {
        0 => Act::Create(room),
        1..=5 => Act::Join(room),
        6 => Act::Leave(room),
        7..=26 => Act::Send {
            room,
            thread: dice.chance(1, 5),
            quiet: dice.chance(1, 8),
        },
        27..=31 => Act::Again {
            back,
            other: dice.chance(1, 4),
        },
        32..=34 => Act::Edit(room, back),
        35 => Act::Delete(room, back),
        36..=38 => Act::React {
            room,
            back,
            on: dice.chance(2, 3),
        },
        39..=42 => Act::Mark {
            room,
            back,
            again: dice.chance(1, 4),
        },
        43 => Act::MarkAll,
        44..=48 => Act::Type(room, dice.chance(3, 4)),
        49 | 50 => Act::Idle(dice.chance(1, 2)),
        51..=53 => Act::Watch,
        54 => Act::View(dice.chance(3, 4).then_some(room)),
        55 => Act::Status(u8::try_from(dice.below(4)).expect("below four")),
        56 => Act::OpenStream,
        _ => Act::History(room),
    }
}

fn trouble(dice: &mut Dice) -> Trouble {
    match dice.below(12) {
        0..=3 => Trouble::Cut(dice.chance(1, 2)),
        4..=6 => Trouble::Stall,
        7 | 8 => Trouble::Flow,
        9 => Trouble::Off(dice.chance(1, 2)),
        _ => Trouble::On,
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Act { client, act } => write!(f, "client {client}: {act:?}"),
            Self::Serve { tenant, deed } => write!(f, "back end of tenant {tenant}: {deed:?}"),
            Self::Network { client, trouble } => write!(f, "client {client}: {trouble:?}"),
            Self::Host(trouble) => write!(f, "host: {trouble:?}"),
            Self::Pass { ms } => write!(f, "{ms} ms pass"),
            Self::Glance => f.write_str("what is under way comes to its end"),
            Self::Quiet => f.write_str("all trouble ends"),
        }
    }
}
