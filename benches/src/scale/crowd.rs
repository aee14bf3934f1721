//! How much memory memberships and marks take: many people in many rooms, in the rules alone, without a log
//! and an index beside them.

use std::collections::HashMap;

use homeroom_engine::tenant::{Disconnection, Input};
use homeroom_protocol::{Mark, PlacedMark, Request, RequestId, Seq, Status};
use serde::{Deserialize, Serialize};

use super::usage;
use crate::{
    judged::{Bar, Judged},
    load::Median,
    school::{School, join},
};

/// Members of one room.
const PER_ROOM: u64 = 1000;
/// Rooms that one of their makers is in: fewer than one may be in.
const ROOMS_PER_MAKER: u64 = 500;
/// What a membership costs, as the settings of the engine say (`members_per_room_max`), and a mark is to cost no
/// more. A budget beside which figures are shown: no bar.
const BUDGET_BYTES: u32 = 100;

/// What they took.
#[derive(Debug, Serialize, Deserialize)]
pub struct Crowd {
    /// People.
    pub users: u64,
    /// Rooms of each.
    pub rooms_each: u64,
    /// Memory before anyone came, in bytes.
    pub empty_bytes: u64,
    /// With a status of everyone, in the stream that each has.
    pub known_bytes: u64,
    /// With everyone a member of their rooms.
    pub members_bytes: u64,
    /// With a mark of everyone in each of their rooms.
    pub marked_bytes: u64,
}

impl Crowd {
    /// Bytes of one membership.
    #[must_use]
    pub fn membership_bytes(&self) -> f64 {
        self.members_bytes.saturating_sub(self.known_bytes) as f64
            / (self.users * self.rooms_each) as f64
    }

    /// Bytes of one mark.
    #[must_use]
    pub fn mark_bytes(&self) -> f64 {
        self.marked_bytes.saturating_sub(self.members_bytes) as f64
            / (self.users * self.rooms_each) as f64
    }

    /// Adds its rows.
    pub fn tell(&self, judged: &mut Vec<Judged>) {
        let of = format!("{} users x {} rooms", self.users, self.rooms_each);
        let stream = self.known_bytes.saturating_sub(self.empty_bytes) as f64 / self.users as f64;
        let budget = format!(" (budget: about {BUDGET_BYTES})");
        for (what, figure, budget) in [
            ("the stream of a user", stream, ""),
            ("a membership", self.membership_bytes(), &budget),
            ("a mark", self.mark_bytes(), &budget),
        ] {
            let what = format!("{of}: {what}{budget}");
            let figure = Median::exact(figure);
            judged.push(Judged::new(what, figure, "bytes", Bar::None));
        }
    }
}

/// Fills a school. The figures are of a process that has done nothing else.
#[must_use]
pub fn fill(users: u64, rooms_each: u64) -> Crowd {
    let mut school = School::without_past();
    let rooms = (users * rooms_each).div_ceil(PER_ROOM).max(rooms_each);
    let mut maker = school.connect("maker");
    for room in 0..rooms {
        if room % ROOMS_PER_MAKER == ROOMS_PER_MAKER - 1 {
            maker = school.connect(&format!("maker-{room}"));
        }
        let create = Request::Create {
            key: school.fresh_key(),
            room: crate::school::room(&name(room)),
            info: homeroom_protocol::RoomInfo::default(),
            members: Vec::new(),
        };
        school.ask(maker, create);
    }
    let empty_bytes = usage::resident_bytes();
    let each = |school: &mut School,
                ask: &dyn Fn(&mut School, u64, homeroom_protocol::ConnectionId)| {
        for user in 0..users {
            // In an order that is none, as people come.
            let user = user.wrapping_mul(0x9e37_79b9) % 0xffff_fffb;
            let connection = school.connect(&format!("user-{user}"));
            ask(school, user, connection);
            school.input(Input::Disconnect {
                connection,
                how: Disconnection::Clean,
            });
        }
    };
    each(&mut school, &|school, _, connection| {
        let status = Status {
            text: Some("here".to_owned()),
            ..Status::default()
        };
        school.ask(connection, Request::Status(status));
    });
    let known_bytes = usage::resident_bytes();
    let rooms_of =
        |user: u64| (0..rooms_each).map(move |at| (user + at * (rooms / rooms_each)) % rooms);
    each(&mut school, &|school, user, connection| {
        for room in rooms_of(user) {
            let out = school.ask(connection, join(&name(room)));
            assert!(!out.events.is_empty(), "they are a member now");
        }
    });
    let members_bytes = usage::resident_bytes();
    let numbered = school.tenant.rooms();
    let numbers: HashMap<_, _> = numbered
        .filter_map(|room| Some((room.id()?.clone(), room.number())))
        .collect();
    each(&mut school, &|school, user, connection| {
        for room in rooms_of(user) {
            let mark = Request::Mark(PlacedMark {
                room: numbers[&crate::school::room(&name(room))],
                thread: None,
                mark: Mark {
                    generation: 1,
                    seq: Seq(1),
                },
                public: false,
            });
            let out = school.input(Input::Request {
                connection,
                id: RequestId(1),
                request: mark,
            });
            assert!(!out.events.is_empty(), "the mark is set");
        }
    });
    Crowd {
        users,
        rooms_each,
        empty_bytes,
        known_bytes,
        members_bytes,
        marked_bytes: usage::resident_bytes(),
    }
}

fn name(room: u64) -> String {
    format!("room-{room}")
}
