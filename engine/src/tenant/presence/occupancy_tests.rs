use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const ROOM: RoomNumber = RoomNumber(1);
const TICK_MS: u64 = 1_000;
const GRACE_MS: u64 = 10_000;

fn user(number: usize) -> UserId {
    UserId::new(format!("u{number:04}")).unwrap()
}

/// The occupancy of one room on a virtual clock, and what one viewer knows of it.
struct Bench {
    occupancy: Occupancy,
    deadlines: Deadlines,
    now: Timestamp,
    told: Vec<Told>,
    linger_max: usize,
}

impl Bench {
    fn new() -> Self {
        Self {
            occupancy: Occupancy::default(),
            deadlines: Deadlines::default(),
            now: Timestamp(0),
            told: Vec::new(),
            linger_max: 1_000,
        }
    }

    fn tick(&self) -> Tick {
        let (now, ms) = (self.now, TICK_MS);
        Tick { now, ms }
    }

    fn enter(&mut self, number: usize, hidden: bool) {
        let tick = self.tick();
        let deadlines = &mut self.deadlines;
        self.occupancy
            .enter(ROOM, &user(number), hidden, tick, deadlines);
    }

    fn leave(&mut self, number: usize, vanished: bool) {
        let linger = vanished.then(|| Linger {
            until: self.now.plus_ms(GRACE_MS),
            max: self.linger_max,
        });
        let tick = self.tick();
        let deadlines = &mut self.deadlines;
        self.occupancy
            .leave(ROOM, &user(number), linger, tick, deadlines);
    }

    fn hide(&mut self, number: usize, hidden: bool) {
        let tick = self.tick();
        let deadlines = &mut self.deadlines;
        self.occupancy
            .hide(ROOM, &user(number), hidden, tick, deadlines);
    }

    /// Lets time pass; what viewers are told meanwhile.
    fn pass(&mut self, ms: u64) -> Vec<Told> {
        let end = self.now.plus_ms(ms);
        while let Some(at) = self.deadlines.next().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            match self.deadlines.pop(self.now) {
                Some(Due::Occupancy(room)) => self.told.extend(self.occupancy.tell(room)),
                Some(Due::Absence(room, user)) => {
                    let tick = self.tick();
                    self.occupancy.lapse(room, &user, tick, &mut self.deadlines);
                }
                other => panic!("nothing else is due: {other:?}"),
            }
        }
        self.now = end;
        std::mem::take(&mut self.told)
    }
}

fn change(all: bool, came: &[usize], went: &[usize]) -> Option<OccupancyChange> {
    let users = |numbers: &[usize]| numbers.iter().map(|&number| user(number)).collect();
    let (came, went) = (users(came), users(went));
    Some(OccupancyChange { all, came, went })
}

#[test]
fn who_comes_and_goes_is_told_once_a_tick() {
    let mut bench = Bench::new();
    bench.enter(1, false);
    assert_eq!(bench.pass(400), []);
    bench.enter(2, false);
    bench.enter(2, false);
    assert_eq!(bench.pass(600), [(2, change(false, &[1, 2], &[]))]);
    bench.leave(2, false);
    bench.leave(1, false);
    bench.enter(3, false);
    assert_eq!(bench.pass(1_000), [(2, change(false, &[3], &[1]))]);
    bench.enter(4, false);
    bench.leave(4, false);
    assert_eq!(
        bench.pass(1_000),
        [(2, change(false, &[], &[4]))],
        "somebody may have looked in between"
    );
    bench.leave(2, false);
    assert_eq!(bench.pass(1_000), [(1, change(false, &[], &[2]))]);
    bench.leave(3, false);
    assert!(bench.occupancy.rooms.is_empty() && bench.deadlines.count() == 0);
}

#[test]
fn one_who_vanishes_and_is_back_within_the_grace_shows_nothing() {
    let mut bench = Bench::new();
    bench.enter(0, false);
    bench.enter(1, false);
    bench.pass(1_000);
    bench.leave(1, true);
    assert_eq!(bench.pass(GRACE_MS - 1), []);
    bench.enter(1, false);
    assert_eq!(bench.pass(2 * GRACE_MS), []);
    bench.leave(1, true);
    assert_eq!(bench.pass(GRACE_MS), []);
    assert_eq!(bench.pass(TICK_MS), [(1, change(false, &[], &[1]))]);
    bench.enter(1, false);
    bench.pass(1_000);
    bench.leave(1, false);
    assert_eq!(
        bench.pass(TICK_MS),
        [(1, change(false, &[], &[1]))],
        "a clean leave does not wait"
    );
}

#[test]
fn those_who_linger_are_bounded() {
    let mut bench = Bench::new();
    bench.linger_max = 1;
    bench.enter(1, false);
    bench.enter(2, false);
    bench.pass(1_000);
    bench.leave(1, true);
    bench.leave(2, true);
    assert_eq!(bench.pass(TICK_MS), [(1, change(false, &[], &[2]))]);
    bench.pass(GRACE_MS + TICK_MS);
    assert_eq!(bench.occupancy.lingering, 0);
    assert!(bench.occupancy.rooms.is_empty());
}

#[test]
fn above_a_few_only_the_number_is_told_and_below_again_all_names() {
    let mut bench = Bench::new();
    for number in 0..=OCCUPANCY_USERS_MAX {
        bench.enter(number, false);
    }
    let count = u32::try_from(OCCUPANCY_USERS_MAX).unwrap() + 1;
    assert_eq!(bench.pass(1_000), [(count, None)]);
    assert_eq!(bench.occupancy.snapshot(ROOM), (count, None));
    bench.leave(0, false);
    let everybody: Vec<_> = (1..=OCCUPANCY_USERS_MAX).collect();
    assert_eq!(
        bench.pass(1_000),
        [(count - 1, change(true, &everybody, &[]))]
    );
}

#[test]
fn a_class_that_comes_in_at_once_costs_one_number() {
    let mut bench = Bench::new();
    for number in 0..5_000 {
        bench.enter(number, false);
    }
    let occupants = &bench.occupancy.rooms[&ROOM];
    assert!(occupants.changed.is_empty());
    assert_eq!(bench.deadlines.count(), 1);
    assert_eq!(bench.pass(1_000), [(5_000, None)]);
}

#[test]
fn one_who_is_hidden_is_not_there() {
    let mut bench = Bench::new();
    bench.enter(1, true);
    bench.enter(2, false);
    assert_eq!(bench.pass(1_000), [(1, change(false, &[2], &[]))]);
    bench.hide(1, false);
    bench.hide(2, true);
    assert_eq!(bench.occupancy.snapshot(ROOM), (1, change(true, &[1], &[])));
    assert_eq!(bench.pass(1_000), [(1, change(false, &[1], &[2]))]);
    bench.leave(2, false);
    assert_eq!(bench.pass(1_000), [], "nor does it show when they go");
    bench.leave(1, false);
    assert!(bench.occupancy.rooms.is_empty() && bench.deadlines.count() == 0);
}

#[test]
fn so_many_who_came_and_went_at_once_are_not_named() {
    let mut bench = Bench::new();
    bench.enter(0, false);
    for number in 1..=OCCUPANCY_USERS_MAX + 1 {
        bench.enter(number, false);
        bench.leave(number, false);
    }
    assert_eq!(bench.pass(1_000), [(1, change(true, &[0], &[]))]);
}

#[derive(Debug, Clone)]
enum Step {
    Enter(usize, bool),
    Leave(usize, bool),
    Hide(usize, bool),
    Many(usize, usize),
    Look,
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let number = 0..80_usize;
    prop_oneof![
        3 => (number.clone(), prop::bool::weighted(0.1)).prop_map(|(n, h)| Step::Enter(n, h)),
        3 => (number.clone(), any::<bool>()).prop_map(|(n, v)| Step::Leave(n, v)),
        1 => (number.clone(), any::<bool>()).prop_map(|(n, h)| Step::Hide(n, h)),
        1 => (number, 1..80_usize).prop_map(|(n, count)| Step::Many(n, count)),
        2 => Just(Step::Look),
        2 => (0..4_000_u64).prop_map(Step::Pass),
    ]
}

#[test]
fn whoever_looks_while_the_number_is_briefly_lower_is_not_left_with_names() {
    let mut bench = Bench::new();
    for number in 0..=OCCUPANCY_USERS_MAX {
        bench.enter(number, false);
    }
    let many = count(OCCUPANCY_USERS_MAX + 1);
    assert_eq!(bench.pass(1000), [(many, None)]);
    bench.leave(0, false);
    assert_eq!(bench.occupancy.snapshot(ROOM), (many, None));
    bench.enter(0, false);
    assert_eq!(bench.pass(1000), [], "all is as it was told");
}

/// What one viewer knows: the number, and the names while they are told.
type Known = (u32, Option<BTreeSet<UserId>>);

fn learn(known: &mut Known, (count, change): &Told) {
    known.0 = *count;
    match change {
        None => known.1 = None,
        Some(OccupancyChange { all, came, went }) => {
            if *all {
                known.1 = Some(BTreeSet::new());
            }
            let names = known.1.as_mut().expect("a difference to known names");
            names.extend(came.iter().cloned());
            names.retain(|name| !went.contains(name));
        }
    }
}

proptest! {
    /// Whoever begins to look at any moment and follows what is told knows what one knows who looks afresh,
    /// and that is what a naive count of connections says.
    #[test]
    fn a_snapshot_and_what_follows_is_a_snapshot_afresh(
        steps in prop::collection::vec(step(), 1..80)
    ) {
        let mut bench = Bench::new();
        let mut model: BTreeMap<usize, (usize, bool)> = BTreeMap::new();
        // Whoever looks is there.
        let looks = 1_000;
        bench.enter(looks, true);
        model.insert(looks, (1, true));
        let mut viewers: Vec<Known> = Vec::new();
        let known_of = |told: &Told| {
            let mut known = (0, None);
            learn(&mut known, told);
            known
        };
        viewers.push(known_of(&bench.occupancy.snapshot(ROOM)));
        for step in steps.into_iter().chain([Step::Pass(3 * GRACE_MS)]) {
            let mut told = Vec::new();
            match step {
                Step::Enter(number, hidden) => {
                    bench.enter(number, hidden);
                    model.entry(number).or_insert((0, hidden)).0 += 1;
                }
                Step::Many(from, count) => {
                    for number in from..from + count {
                        bench.enter(number, false);
                        model.entry(number).or_insert((0, false)).0 += 1;
                    }
                }
                Step::Leave(number, vanished) => {
                    if let Some(here) = model.get_mut(&number).filter(|here| here.0 > 0) {
                        here.0 -= 1;
                        bench.leave(number, vanished);
                    }
                }
                Step::Hide(number, hidden) => {
                    bench.hide(number, hidden);
                    if let Some(here) = model.get_mut(&number) {
                        here.1 = hidden;
                    }
                }
                Step::Look => viewers.push(known_of(&bench.occupancy.snapshot(ROOM))),
                Step::Pass(ms) => told = bench.pass(ms),
            }
            // Those who are gone for good are hidden afresh when they come back.
            let here = &bench.occupancy.rooms;
            model.retain(|number, _| {
                here.get(&ROOM).is_some_and(|room| room.users.contains_key(&user(*number)))
            });
            for told in &told {
                for viewer in &mut viewers {
                    learn(viewer, told);
                }
            }
        }
        let afresh = known_of(&bench.occupancy.snapshot(ROOM));
        let shown: BTreeSet<UserId> = model
            .iter()
            .filter(|(_, (connections, hidden))| *connections > 0 && !hidden)
            .map(|(number, _)| user(*number))
            .collect();
        prop_assert_eq!(afresh.0 as usize, shown.len());
        if let Some(names) = &afresh.1 {
            prop_assert_eq!(names, &shown);
        }
        for viewer in viewers {
            prop_assert_eq!(&viewer, &afresh);
        }
    }
}
