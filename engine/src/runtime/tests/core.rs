//! Scenarios on the writer's rules, with a clock and a log that do what the scenario says.

use std::sync::Arc;

use homeroom_protocol::Timestamp;

use super::tally::{Effect, Input, Tally};
use crate::{
    domain::{Domain, HistoryError},
    log::{Appended, Commit, LogPosition, Space, WriterEpoch},
    runtime::{
        core::{Core, Environment, QUESTIONS_MAX, UNDER_WAY_MAX},
        held::{HELD_BYTES_MAX, HELD_MAX},
        lanes::WAITING_MAX,
    },
};

#[derive(Default)]
struct Script(u128);

impl Environment for Script {
    fn now(&mut self) -> Timestamp {
        Timestamp(1)
    }

    fn entropy(&mut self) -> u128 {
        self.0 += 1;
        self.0
    }
}

struct Scene {
    core: Core<Tally>,
    script: Script,
}

impl Scene {
    fn new() -> Self {
        let core = Core::new(
            Tally::new(()),
            LogPosition::START,
            WriterEpoch(1),
            Space::Reserved,
        );
        Self {
            core,
            script: Script::default(),
        }
    }

    fn input(&mut self, input: Input) {
        self.core.input(&mut self.script, input);
    }

    fn add(&mut self, who: u64, number: u64) {
        self.input(Input::Add { who, number });
    }

    fn commit(&mut self) -> Arc<Commit> {
        self.core
            .next_commit(&mut self.script)
            .expect("something was decided")
    }

    fn durable(&mut self, commit: &Commit, space: Space) {
        let last = LogPosition(commit.expected.0 + commit.records.len() as u64);
        self.core
            .appended(Appended {
                first: commit.expected.next(),
                last,
                space,
            })
            .unwrap();
    }

    fn said(&mut self) -> Vec<Effect> {
        self.core.take_effects()
    }

    fn answer(&mut self, number: Result<u64, HistoryError>) {
        let ask = self
            .core
            .take_questions()
            .pop()
            .expect("something was asked");
        self.core.answered(&mut self.script, ask.ticket, number);
    }
}

#[test]
fn the_next_request_sees_what_was_applied_and_speaks_when_it_is_durable() {
    let mut scene = Scene::new();
    scene.add(1, 5);
    scene.input(Input::Total { who: 2 });
    assert_eq!(
        scene.said(),
        [Effect::Signal { who: 1 }],
        "only the signal does not wait"
    );
    let commit = scene.commit();
    scene.durable(&commit, Space::Reserved);
    assert_eq!(
        scene.said(),
        [
            Effect::Added { who: 1, total: 5 },
            Effect::Total { who: 2, total: 5 }
        ]
    );
}

#[test]
fn what_depends_on_nothing_new_leaves_at_once() {
    let mut scene = Scene::new();
    scene.input(Input::Total { who: 1 });
    assert_eq!(scene.said(), [Effect::Total { who: 1, total: 0 }]);
}

#[test]
fn an_answer_waits_only_for_its_own_commit() {
    let mut scene = Scene::new();
    scene.add(1, 5);
    let first = scene.commit();
    scene.add(2, 6);
    scene.said();
    scene.durable(&first, Space::Reserved);
    assert_eq!(scene.said(), [Effect::Added { who: 1, total: 5 }]);
    let second = scene.commit();
    scene.durable(&second, Space::Reserved);
    assert_eq!(scene.said(), [Effect::Added { who: 2, total: 11 }]);
    assert!(scene.core.is_settled());
}

#[test]
fn a_full_disk_refuses_writes_and_answers_reads() {
    let mut scene = Scene::new();
    scene.add(1, 5);
    let commit = scene.commit();
    scene.durable(&commit, Space::Low);
    scene.said();
    scene.add(1, 6);
    scene.input(Input::Total { who: 1 });
    assert_eq!(
        scene.said(),
        [
            Effect::Refused { who: 1 },
            Effect::Total { who: 1, total: 5 }
        ]
    );
    scene.core.set_space(Space::Reserved);
    scene.add(1, 6);
    assert!(scene.core.next_commit(&mut Script::default()).is_some());
}

#[test]
fn a_question_keeps_its_lane_in_order_and_blocks_no_other() {
    let mut scene = Scene::new();
    scene.input(Input::Nth {
        who: 1,
        position: 9,
    });
    scene.input(Input::Total { who: 1 });
    scene.input(Input::Total { who: 2 });
    assert_eq!(scene.said(), [Effect::Total { who: 2, total: 0 }]);
    scene.answer(Ok(7));
    assert_eq!(
        scene.said(),
        [
            Effect::Nth {
                who: 1,
                number: Some(7)
            },
            Effect::Total { who: 1, total: 0 }
        ]
    );
}

#[test]
fn a_lane_with_two_questions_asks_them_one_after_the_other() {
    let mut scene = Scene::new();
    scene.input(Input::Nth {
        who: 1,
        position: 9,
    });
    scene.input(Input::Nth {
        who: 1,
        position: 8,
    });
    scene.input(Input::Total { who: 1 });
    scene.answer(Err(HistoryError::Unreadable));
    assert_eq!(
        scene.said(),
        [Effect::Nth {
            who: 1,
            number: None
        }]
    );
    scene.answer(Ok(1));
    let said = scene.said();
    assert_eq!(
        said,
        [
            Effect::Nth {
                who: 1,
                number: Some(1)
            },
            Effect::Total { who: 1, total: 0 }
        ]
    );
}

#[test]
fn questions_under_way_are_bounded() {
    let mut scene = Scene::new();
    for who in 0..QUESTIONS_MAX as u64 {
        assert!(scene.core.takes_input());
        scene.input(Input::Nth { who, position: 1 });
    }
    assert!(!scene.core.takes_input());
    scene.answer(Ok(1));
    assert!(scene.core.takes_input());
}

#[test]
fn few_questions_are_looked_up_at_once_and_none_while_too_much_is_held() {
    let mut scene = Scene::new();
    scene.add(0, 5);
    let commit = scene.commit();
    for who in 1..=2 * UNDER_WAY_MAX as u64 {
        scene.input(Input::Nth { who, position: 1 });
    }
    let mut asked = scene.core.take_questions();
    assert_eq!(asked.len(), UNDER_WAY_MAX);
    assert!(scene.core.take_questions().is_empty());
    let first = asked.remove(0);
    scene.core.answered(&mut scene.script, first.ticket, Ok(1));
    assert!(scene.core.takes_input());
    asked.append(&mut scene.core.take_questions());
    assert_eq!(asked.len(), UNDER_WAY_MAX, "one came, one goes");

    let page = HELD_BYTES_MAX as u64 / 2;
    for ask in asked {
        scene.core.answered(&mut scene.script, ask.ticket, Ok(page));
    }
    assert!(!scene.core.takes_input());
    assert!(scene.core.take_questions().is_empty(), "the log is behind");
    scene.durable(&commit, Space::Reserved);
    assert_eq!(scene.said().len(), 3 + UNDER_WAY_MAX);
    assert!(scene.core.takes_input());
    assert_eq!(scene.core.take_questions().len(), UNDER_WAY_MAX - 1);
}

#[test]
fn nothing_is_taken_for_durable_at_another_position() {
    let mut scene = Scene::new();
    scene.add(1, 5);
    scene.commit();
    let elsewhere = Appended {
        first: LogPosition(7),
        last: LogPosition(7),
        space: Space::Reserved,
    };
    assert!(scene.core.appended(elsewhere).is_err());
    assert_eq!(scene.said(), [Effect::Signal { who: 1 }]);
}

#[test]
fn what_waited_behind_an_answer_is_decided_only_as_fast_as_the_log_takes_it() {
    let mut scene = Scene::new();
    scene.input(Input::Nth {
        who: 1,
        position: 9,
    });
    let ask = scene.core.take_questions().pop().expect("it was asked");
    for _ in 0..WAITING_MAX {
        scene.add(1, 1);
    }
    for _ in 0..HELD_MAX {
        scene.add(2, 1);
    }
    assert!(!scene.core.takes_input());
    scene.core.answered(&mut scene.script, ask.ticket, Ok(1));
    assert_eq!(scene.core.tail(), LogPosition(HELD_MAX as u64));
    assert!(!scene.core.is_settled());
    while !scene.core.is_settled() {
        let commit = scene.commit();
        scene.durable(&commit, Space::Reserved);
        scene.core.resume(&mut scene.script);
    }
    let all = HELD_MAX + WAITING_MAX;
    assert_eq!(scene.core.tail(), LogPosition(all as u64));
}
