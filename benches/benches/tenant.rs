//! The rules alone: what each kind of request costs to decide and apply, and what a replay does with one
//! stored event.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use homeroom_benches::{
    ROOM,
    school::{School, join, seed},
    send,
};
use homeroom_engine::{
    domain::Domain,
    log::LogPosition,
    tenant::{Entry, Input, Tenant, TenantChange, TenantEvent},
};
use homeroom_protocol::{
    ConnectionId, Direction, Emoji, Mark, Overwrite, OverwriteTarget, Permission, Permissions,
    PlacedMark, Request, Role, RoleId, Seq, Stream, UserId, frame::DeviceState,
};

/// The first who connects, and the maker of the room.
const ANA: ConnectionId = ConnectionId(1);
/// Requests to one school before a new one takes over, as many writes as an hour of a busy room.
const REQUESTS: u64 = 10_000;
/// Decided in a row while the clock runs. What they look up is read before, what comes of them is written
/// down behind.
const BATCH: u64 = 250;
/// Messages that are edited in turn: each has fewer versions than it may.
const EDITED: u64 = 400;
/// Rooms of one user, and roles and overwrites that count for them.
const ROOMS: u32 = 50;
const ROLES: u32 = 8;
const WATCHERS: u32 = 100;

/// A school with one room, its maker in it, and some messages.
fn class(messages: u64) -> School {
    let mut school = School::new();
    assert_eq!(school.connect("ana"), ANA);
    assert_eq!(school.make_room(ANA, "class-7b"), ROOM);
    for at in 0..messages {
        school.ask(ANA, send(u64::MAX - at));
    }
    school
}

fn few() -> School {
    class(2)
}

/// Whose stream has begun, as it does with the first mark.
fn streamed() -> School {
    let mut school = few();
    let (stream, resume) = (Stream::Personal, None);
    school.ask(ANA, Request::Stream { stream, resume });
    school
}

/// Who also has fifty rooms.
fn busy() -> School {
    let mut school = class(100);
    for room in 1..ROOMS {
        school.make_room(ANA, &format!("room-{room}"));
    }
    school
}

/// Whom a hundred others watch.
fn watched() -> School {
    let mut school = few();
    for watcher in 0..WATCHERS {
        let connection = school.connect(&format!("user-{watcher}"));
        school.ask(connection, join("class-7b"));
        let users = vec![ana()];
        school.ask(connection, Request::Watch { users });
    }
    school
}

/// Who has several roles, each of which differs in the room.
fn ruled() -> School {
    let mut school = few();
    for number in 1..=ROLES {
        let role = RoleId(number);
        school.apply(changed(TenantChange::RoleSet(Role {
            role,
            name: format!("role {number}"),
            rank: number,
            allow: Permissions::of(&Permission::ALL),
            prohibit: Permissions::NONE,
        })));
    }
    school.apply(changed(TenantChange::RolesGiven {
        user: ana(),
        roles: (1..=ROLES).map(RoleId).collect(),
    }));
    for number in 1..=ROLES {
        let key = school.fresh_key();
        let set = Request::Overwrite {
            key,
            room: ROOM,
            target: OverwriteTarget::Role(RoleId(number)),
            overwrite: Overwrite {
                deny: Permissions::of(&[Permission::Pin]),
                allow: Permissions::of(&[Permission::Send]),
            },
        };
        let out = school.ask(ANA, set);
        assert_eq!(out.events.len(), 1, "the overwrite of a role is set");
    }
    school
}

fn ana() -> UserId {
    UserId::new("ana").expect("a valid user id")
}

fn changed(change: TenantChange) -> Entry {
    Entry::Tenant(TenantEvent {
        time: homeroom_benches::NOW,
        author: None,
        change,
    })
}

/// What is asked, as number `n`, and how many events come of it.
struct Case {
    name: &'static str,
    events: usize,
    school: fn() -> School,
    input: fn(&mut School, u64) -> Input,
}

const CASES: [Case; 9] = [
    Case {
        name: "send",
        events: 1,
        school: few,
        input: |_, n| School::asked(ANA, send(n)),
    },
    Case {
        name: "send, by 8 roles and 8 overwrites",
        events: 1,
        school: ruled,
        input: |_, n| School::asked(ANA, send(n)),
    },
    Case {
        name: "why one may send, by 8 roles and 8 overwrites",
        events: 0,
        school: ruled,
        input: |_, _| {
            let (room, user, permission) = (Some(ROOM), None, Permission::Send);
            School::asked(
                ANA,
                Request::Explain {
                    room,
                    user,
                    permission,
                },
            )
        },
    },
    Case {
        name: "join as a new member",
        events: 1,
        school: few,
        input: |school, n| {
            let newcomer = school.connect(&format!("user-{n}"));
            School::asked(newcomer, join("class-7b"))
        },
    },
    Case {
        name: "edit",
        events: 1,
        school: || class(EDITED),
        input: |school, n| {
            let edit = Request::Edit {
                key: school.fresh_key(),
                room: ROOM,
                // The room's first event is its making.
                target: Seq(2 + n % EDITED),
                draft: homeroom_benches::text().into(),
            };
            School::asked(ANA, edit)
        },
    },
    Case {
        name: "reaction, given and taken back",
        events: 1,
        school: few,
        input: |school, n| {
            let react = Request::React {
                key: school.fresh_key(),
                room: ROOM,
                target: Seq(2),
                emoji: Emoji::new("👍").expect("a valid emoji"),
                on: n.is_multiple_of(2),
            };
            School::asked(ANA, react)
        },
    },
    Case {
        name: "mark as read",
        events: 1,
        school: streamed,
        input: |_, n| {
            let generation = u32::try_from(n + 1).expect("few marks");
            let mark = Request::Mark(PlacedMark {
                room: ROOM,
                thread: None,
                mark: Mark {
                    generation,
                    seq: Seq(2),
                },
                public: false,
            });
            School::asked(ANA, mark)
        },
    },
    Case {
        name: "50 rooms with their unread counts",
        events: 0,
        school: busy,
        input: |_, _| {
            let (after, limit) = (None, ROOMS);
            School::asked(ANA, Request::Rooms { after, limit })
        },
    },
    Case {
        name: "presence, watched by 100",
        events: 0,
        school: watched,
        input: |_, n| {
            let state = if n.is_multiple_of(2) {
                DeviceState::Idle
            } else {
                DeviceState::Active
            };
            School::asked(ANA, Request::Presence { state })
        },
    },
];

impl Case {
    fn took(&self, rounds: u64) -> Duration {
        let mut took = Duration::ZERO;
        let mut school = (self.school)();
        let mut asked = 0;
        for _ in 0..rounds.div_ceil(BATCH) {
            if asked > REQUESTS {
                school = (self.school)();
                asked = 0;
            }
            let inputs: Vec<_> = (asked..asked + BATCH)
                .map(|n| {
                    let input = (self.input)(&mut school, n);
                    let looked = school.look_up(&input);
                    (input, looked)
                })
                .collect();
            asked += BATCH;
            let begun = Instant::now();
            let outcomes: Vec<_> = inputs
                .into_iter()
                .map(|(input, looked)| school.decide(input, looked))
                .collect();
            took += begun.elapsed();
            for out in &outcomes {
                assert_eq!(out.events.len(), self.events, "{}: {out:?}", self.name);
                school.remember(out);
            }
        }
        // As long as the rounds that were asked for: batches are whole.
        took.mul_f64(rounds as f64 / (rounds.div_ceil(BATCH) * BATCH) as f64)
    }
}

fn decide(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tenant/decide and apply");
    group.throughput(Throughput::Elements(1));
    for case in &CASES {
        group.bench_function(case.name, |bencher| {
            bencher.iter_custom(|rounds| case.took(rounds));
        });
    }
    group.finish();
}

fn page(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tenant/history");
    group.throughput(Throughput::Elements(50));
    group.bench_function(
        "a page of 50, looked up in memory and answered",
        |bencher| {
            let mut school = class(REQUESTS);
            let mut at = 0;
            bencher.iter(|| {
                at = (at + 6_180) % REQUESTS;
                let history = Request::History {
                    room: ROOM,
                    direction: Direction::Before,
                    anchor: Seq(at + 60),
                    limit: 50,
                    thread: None,
                };
                school.ask(ANA, history)
            });
        },
    );
    group.finish();
}

/// The events of a room with its messages, and those of its maker's stream.
fn history() -> Vec<Entry> {
    let mut school = School::new();
    let mut events = school.input(connected()).events;
    let create = Request::Create {
        key: school.fresh_key(),
        room: homeroom_benches::school::room("class-7b"),
        info: homeroom_protocol::RoomInfo::default(),
        members: Vec::new(),
    };
    events.append(&mut school.ask(ANA, create).events);
    let mut sent = 0;
    while (events.len() as u64) < REQUESTS {
        sent += 1;
        events.append(&mut school.ask(ANA, send(sent)).events);
    }
    events
}

fn connected() -> Input {
    let identity = homeroom_engine::Identity::user("ana").expect("a valid user id");
    Input::Connect {
        connection: ANA,
        identity,
    }
}

fn replay(criterion: &mut Criterion) {
    let events = history();
    let stored: Vec<_> = events.iter().map(Tenant::encode).collect();
    let mut group = criterion.benchmark_group("tenant/stored message");
    group.throughput(Throughput::Elements(1));
    group.bench_function("encode", |bencher| {
        let message = events.last().expect("there are many");
        bencher.iter(|| Tenant::encode(black_box(message)));
    });
    group.bench_function("decode", |bencher| {
        let message = stored.last().expect("there are many");
        bencher.iter(|| Tenant::decode(black_box(message)));
    });
    group.throughput(Throughput::Elements(REQUESTS));
    group.bench_function("decode and apply, 10,000 of them", |bencher| {
        bencher.iter_batched(
            || Tenant::new(seed()),
            |mut tenant| {
                for (at, stored) in (1..).zip(&stored) {
                    let event = Tenant::decode(stored).expect("it was just encoded");
                    tenant.apply(LogPosition(at), &event);
                }
                tenant
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(tenant, decide, page, replay);
criterion_main!(tenant);
