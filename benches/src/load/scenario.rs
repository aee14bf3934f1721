//! What is measured, as a file: one scenario holds one case for each of its sizes.

use std::{fs, path::Path, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Entry, Habits, Pace, Seating, Until, WAVES_MAX, Window};

/// The scenarios that come with the generator, by name.
const KNOWN: [(&str, &str); 15] = [
    ("fan-out", include_str!("../../scenarios/fan-out.toml")),
    ("rooms", include_str!("../../scenarios/rooms.toml")),
    ("paced", include_str!("../../scenarios/paced.toml")),
    ("durable", include_str!("../../scenarios/durable.toml")),
    (
        "durable-fan-out",
        include_str!("../../scenarios/durable-fan-out.toml"),
    ),
    (
        "durability",
        include_str!("../../scenarios/durability.toml"),
    ),
    ("idle", include_str!("../../scenarios/idle.toml")),
    ("storm", include_str!("../../scenarios/storm.toml")),
    (
        "presence-storm",
        include_str!("../../scenarios/presence-storm.toml"),
    ),
    (
        "classroom-day",
        include_str!("../../scenarios/classroom-day.toml"),
    ),
    (
        "tls-fan-out",
        include_str!("../../scenarios/tls-fan-out.toml"),
    ),
    ("tls-idle", include_str!("../../scenarios/tls-idle.toml")),
    ("tls-storm", include_str!("../../scenarios/tls-storm.toml")),
    ("waves", include_str!("../../scenarios/waves.toml")),
    (
        "fan-out-50000",
        include_str!("../../scenarios/fan-out-50000.toml"),
    ),
];

/// Bounds of what a file may ask for.
pub(super) const CONNECTIONS_MAX: u64 = 60_000;
const IN_FLIGHT_MAX: u32 = 65_536;
const TEXT_BYTES_MAX: usize = 16_384;
const WINDOW_MS_MAX: u64 = 600_000;
const SETTLE_MS_MAX: u64 = 60_000;

/// A scenario, as its file has it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it is called.
    pub name: String,
    /// What it shows, for people.
    pub what: String,
    /// Rooms, each with one speaker.
    pub rooms: u32,
    /// Listeners in each room: a case for each number.
    pub listeners: Vec<u32>,
    /// Bytes of text of a message.
    #[serde(default = "text_bytes")]
    pub text_bytes: usize,
    /// Whether messages must be on disk before they are delivered.
    #[serde(default)]
    pub durable: bool,
    /// Whether the same is measured in each round with rooms that keep everything.
    #[serde(default)]
    pub beside_durable: bool,
    /// Whether all connections are under TLS.
    #[serde(default)]
    pub tls: bool,
    /// How messages are published.
    pub load: Load,
    /// Before anything is measured.
    #[serde(default = "warm_up_ms")]
    pub warm_up_ms: u64,
    /// Measured.
    #[serde(default = "window_ms")]
    pub window_ms: u64,
    /// From when the last came or left until memory is looked at, and the server is done with what that made it do.
    #[serde(default = "settle_ms")]
    pub settle_ms: u64,
}

/// How messages are published.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Load {
    /// So many at once are not yet received by all: a case for each number.
    InFlight(Vec<u32>),
    /// So many at once are not yet acknowledged to their speakers: a case for each number.
    Unacknowledged(Vec<u32>),
    /// So many a second in each room, on a fixed schedule: a case for each number.
    PerSecond(Vec<f64>),
    /// Nothing is published: the listeners come, and stay silent. What counts is what each of them costs; a case
    /// for each way of coming in.
    Come(Vec<Coming>),
    /// The same, and what counts is the memory that each of them takes, before and after something large each way.
    Stay(Vec<Coming>),
    /// The listeners come and leave, again and again: a case for each way of coming in. What counts is the memory that
    /// stays.
    Waves(Vec<Coming>),
    /// All listeners, each of whom watches everybody in its room, turn from their screens or back, so often: a case for
    /// each number. What counts is how often somebody was told of somebody.
    Turns(Vec<u32>),
    /// The listeners live. What counts is what they are told.
    Life(Life),
}

/// How listeners live.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Life {
    /// How many times as fast as in life: a case for each number.
    pub speeds: Vec<f64>,
    /// How often each does what in an hour.
    pub in_an_hour: Habits,
}

/// How far listeners come in who then stay silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Coming {
    /// To the WebSocket and no further.
    Bare,
    /// Into their rooms.
    Joined,
    /// Into three rooms (of three times as many, so that each has as many listeners), told who is in one of them.
    ThreeRooms,
    /// Into their rooms, as members who were there a moment ago.
    Back,
}

/// What is done in a case.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// Everybody comes in, then messages are published.
    Publish {
        /// When a message is over.
        until: Until,
        /// When messages are published.
        pace: Pace,
        /// How long.
        window: Window,
    },
    /// It is measured what it costs that the listeners come, so far.
    Come(Entry),
    /// It is measured what memory they take once they are in, told who is there; and after something large.
    Stay(Entry),
    /// It is measured what it costs that they come back.
    ComeBack,
    /// They come so far and leave, so often.
    Waves {
        /// How far.
        entry: Entry,
        /// How often.
        waves: usize,
    },
    /// All turn from their screens or back, so often.
    Turns(u32),
    /// They live.
    Live {
        /// How often they do what.
        habits: Habits,
        /// How many times as fast as in life.
        speed: f64,
        /// How long.
        window: Window,
    },
}

/// One thing to measure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Case {
    /// Scenario and sizes.
    pub name: String,
    /// Rooms, each with one speaker.
    pub rooms: u32,
    /// Listeners in each.
    pub listeners: u32,
    /// Bytes of text of a message.
    pub text_bytes: usize,
    /// Whether messages must be on disk before they are delivered.
    pub durable: bool,
    /// Whether the same is measured in each round with rooms that keep everything.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub beside_durable: bool,
    /// Whether all connections are under TLS.
    pub tls: bool,
    /// From when the last came or left until memory is looked at.
    pub settle_ms: u64,
    /// What is done.
    pub plan: Plan,
}

impl Coming {
    const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Joined => "joined",
            Self::ThreeRooms => "three rooms",
            Self::Back => "back",
        }
    }

    /// How far in that is; `None` for those who were there.
    const fn entry(self, rooms: u32) -> Option<Entry> {
        match self {
            Self::Bare => Some(Entry::Bare),
            Self::Joined => Some(Entry::Room),
            Self::ThreeRooms => Some(Entry::ThreeRooms { rooms: 3 * rooms }),
            Self::Back => None,
        }
    }
}

impl Case {
    /// Who takes part.
    #[must_use]
    pub fn seating(&self) -> Seating {
        let entry = match self.plan {
            Plan::Come(entry) | Plan::Stay(entry) | Plan::Waves { entry, .. } => entry,
            Plan::Publish { .. } | Plan::ComeBack | Plan::Turns(_) | Plan::Live { .. } => {
                Entry::Room
            }
        };
        Seating::new(self.rooms, self.listeners, entry, self.durable)
    }
}

impl Scenario {
    /// The one that comes with the generator under this name, or that in a file.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn find(name: &str) -> Result<Self, String> {
        let known = KNOWN.iter().find(|(known, _)| *known == name);
        let text = match known {
            Some((_, text)) => (*text).to_owned(),
            None => fs::read_to_string(Path::new(name)).map_err(|error| {
                let names = Self::names().collect::<Vec<_>>().join(", ");
                format!("{name} is no scenario ({names}) and no file: {error}")
            })?,
        };
        text.parse().map_err(|error| format!("{name}: {error}"))
    }

    /// The names of those that come with the generator.
    pub fn names() -> impl Iterator<Item = &'static str> {
        KNOWN.iter().map(|(name, _)| *name)
    }

    /// All its cases: for each number of listeners each of the loads.
    #[must_use]
    pub fn cases(&self) -> Vec<Case> {
        let plans = self.plans();
        let of = |&listeners: &u32| {
            plans.iter().map(move |(plan, load)| Case {
                name: self.case_name(listeners, load),
                rooms: match plan {
                    Plan::Come(Entry::ThreeRooms { rooms })
                    | Plan::Stay(Entry::ThreeRooms { rooms })
                    | Plan::Waves {
                        entry: Entry::ThreeRooms { rooms },
                        ..
                    } => *rooms,
                    _ => self.rooms,
                },
                listeners,
                text_bytes: self.text_bytes,
                durable: self.durable,
                beside_durable: self.beside_durable,
                tls: self.tls,
                settle_ms: self.settle_ms,
                plan: *plan,
            })
        };
        self.listeners.iter().flat_map(of).collect()
    }

    /// What its load says is to be done, and how that is called.
    fn plans(&self) -> Vec<(Plan, String)> {
        let window = Window::Time {
            warm_up: Duration::from_millis(self.warm_up_ms),
            measured: Duration::from_millis(self.window_ms),
        };
        let publish = |until, pace| Plan::Publish {
            until,
            pace,
            window,
        };
        let in_flight = |counts: &[u32], until| {
            let plan = |&count: &u32| {
                (
                    publish(until, Pace::InFlight(count)),
                    format!("{count} in flight"),
                )
            };
            counts.iter().map(plan).collect()
        };
        match &self.load {
            Load::InFlight(counts) => in_flight(counts, Until::Delivered),
            Load::Unacknowledged(counts) => in_flight(counts, Until::Acknowledged),
            Load::PerSecond(rates) => {
                let plan = |&rate: &f64| {
                    let pace = Pace::PerSecond(rate);
                    (publish(Until::Delivered, pace), format!("{rate}/s"))
                };
                rates.iter().map(plan).collect()
            }
            Load::Come(ways) => {
                let plan = |way: &Coming| {
                    let plan = way.entry(self.rooms).map_or(Plan::ComeBack, Plan::Come);
                    (plan, way.name().to_owned())
                };
                ways.iter().map(plan).collect()
            }
            Load::Turns(rounds) => {
                let plan = |&rounds: &u32| (Plan::Turns(rounds), format!("{rounds} times"));
                rounds.iter().map(plan).collect()
            }
            Load::Life(life) => {
                let plan = |&speed: &f64| {
                    let habits = life.in_an_hour;
                    let plan = Plan::Live {
                        habits,
                        speed,
                        window,
                    };
                    (plan, format!("{speed} × life"))
                };
                life.speeds.iter().map(plan).collect()
            }
            Load::Stay(ways) => {
                let plan = |way: &Coming| {
                    let entry = way.entry(self.rooms).unwrap_or(Entry::Room);
                    (Plan::Stay(entry), way.name().to_owned())
                };
                ways.iter().map(plan).collect()
            }
            Load::Waves(ways) => {
                let plan = |way: &Coming| {
                    let entry = way.entry(self.rooms).unwrap_or(Entry::Room);
                    let waves = WAVES_MAX;
                    (Plan::Waves { entry, waves }, way.name().to_owned())
                };
                ways.iter().map(plan).collect()
            }
        }
    }

    fn case_name(&self, listeners: u32, load: &str) -> String {
        let rooms = match self.rooms {
            1 => String::new(),
            rooms => format!("{rooms} × "),
        };
        format!("{}: {rooms}{listeners}, {load}", self.name)
    }

    fn check(&self) -> Result<(), String> {
        let most = self
            .listeners
            .iter()
            .max()
            .ok_or("no number of listeners")?;
        // A speaker in each; where each listener is in three rooms, there are three times as many.
        let connections = u64::from(self.rooms) * (u64::from(*most) + 3);
        if self.rooms == 0 || connections > CONNECTIONS_MAX {
            return Err(format!("{connections} connections: 1 to {CONNECTIONS_MAX}"));
        }
        let (loads, is_in_bounds, without_listeners) = match &self.load {
            Load::InFlight(counts) => (counts.len(), counts.iter().all(is_depth), false),
            Load::Unacknowledged(counts) => (counts.len(), counts.iter().all(is_depth), true),
            Load::PerSecond(rates) => {
                let is_rate = |rate: &f64| (0.01..=100_000.0).contains(rate);
                (rates.len(), rates.iter().all(is_rate), false)
            }
            Load::Come(ways) => (ways.len(), true, false),
            Load::Turns(rounds) => {
                let are_few = rounds.iter().all(|rounds| (1..=1000).contains(rounds));
                (rounds.len(), are_few, false)
            }
            Load::Life(Life { speeds, in_an_hour }) => {
                let are_speeds = speeds.iter().all(|speed| (0.1..=1000.0).contains(speed));
                let is_life = are_speeds && in_an_hour.are_plausible();
                (speeds.len(), is_life, false)
            }
            Load::Stay(ways) | Load::Waves(ways) => {
                (ways.len(), !ways.contains(&Coming::Back), false)
            }
        };
        if loads == 0 || !is_in_bounds {
            return Err(format!("the load {:?} is out of bounds", self.load));
        }
        if !without_listeners && self.listeners.contains(&0) {
            return Err("without listeners nothing is delivered".to_owned());
        }
        if self.durable && self.beside_durable {
            return Err("what is durable is not beside itself".to_owned());
        }
        if !(1..=TEXT_BYTES_MAX).contains(&self.text_bytes) {
            return Err(format!("text_bytes: 1 to {TEXT_BYTES_MAX}"));
        }
        if self.window_ms == 0 || self.window_ms > WINDOW_MS_MAX || self.warm_up_ms > WINDOW_MS_MAX
        {
            return Err(format!("window_ms: 1 to {WINDOW_MS_MAX}"));
        }
        if self.settle_ms > SETTLE_MS_MAX {
            return Err(format!("settle_ms: at most {SETTLE_MS_MAX}"));
        }
        Ok(())
    }
}

impl std::str::FromStr for Scenario {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let scenario: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        scenario.check()?;
        Ok(scenario)
    }
}

fn is_depth(count: &u32) -> bool {
    (1..=IN_FLIGHT_MAX).contains(count)
}

const fn text_bytes() -> usize {
    crate::TEXT_BYTES
}

const fn warm_up_ms() -> u64 {
    500
}

const fn window_ms() -> u64 {
    2_000
}

/// What a server does behind those who came or left (telling who is there, forgetting who is not) is over by then.
const fn settle_ms() -> u64 {
    3_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_that_comes_with_the_generator_is_one() {
        for name in Scenario::names() {
            let scenario = Scenario::find(name).unwrap();
            assert_eq!(scenario.name, name);
            let cases = scenario.cases();
            let mut names: Vec<_> = cases.iter().map(|case| &case.name).collect();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), cases.len(), "{name}");
        }
    }

    #[test]
    fn a_scenario_has_a_case_for_each_of_its_sizes() {
        let scenario: Scenario = "name = 'x'\nwhat = ''\nrooms = 1\nlisteners = [1, 2]\n\
                                  load.in_flight = [3, 4, 5]\n"
            .parse()
            .unwrap();
        let cases = scenario.cases();
        assert_eq!(cases.len(), 6);
        assert_eq!(cases[5].name, "x: 2, 5 in flight");
        assert!(matches!(
            cases[5].plan,
            Plan::Publish {
                pace: Pace::InFlight(5),
                ..
            }
        ));
    }

    #[test]
    fn a_case_tells_programs_its_depth_or_rate_and_its_window() {
        let plan = |name| {
            let case = Scenario::find(name).unwrap().cases().remove(0);
            serde_json::to_value(&case).unwrap()["plan"].clone()
        };
        let window = serde_json::json!({ "time": { "warm_up_ms": 1000, "measured_ms": 60_000 } });
        let paced = &plan("paced")["publish"];
        assert_eq!(paced["window"], window);
        assert_eq!(paced["pace"]["per_second"], 20.0);
        assert_eq!(plan("fan-out")["publish"]["pace"]["in_flight"], 1);
        assert_eq!(plan("idle")["stay"], "bare");
    }

    #[test]
    fn what_is_out_of_bounds_is_refused() {
        let refused = |line: &str| {
            let base = "name = 'x'\nwhat = ''\nrooms = 1\nlisteners = [1]\nload.in_flight = [1]\n";
            let key = line.split(' ').next().unwrap();
            let kept = base.lines().filter(|line| !line.starts_with(key));
            let text: String = kept.chain([line]).map(|line| format!("{line}\n")).collect();
            text.parse::<Scenario>().is_err()
        };
        for line in [
            "rooms = 0",
            "rooms = 40000",
            "listeners = []",
            "listeners = [0]",
            "load.in_flight = []",
            "load.in_flight = [0]",
            "text_bytes = 0",
            "text_bytes = 16385",
            "window_ms = 0",
            "window_ms = 600001",
            "settle_ms = 60001",
            "colour = 1",
            "durable = true\nbeside_durable = true",
        ] {
            assert!(refused(line), "{line}");
        }
        assert!(!refused("beside_durable = true"));
        assert!(!refused("rooms = 2"));
    }
}
