//! The smallest domain with every part: numbers are added up, even and odd ones in sections of their
//! own; "what was the n-th?" needs the history.

use bytes::Bytes;
use homeroom_protocol::Timestamp;

use crate::{
    domain::{
        DecodeError, Domain, History, HistoryError, Lane, Moment, Outcome, SectionId, Storage,
    },
    index::Row,
    log::LogPosition,
};

#[derive(Debug, Default)]
pub(in crate::runtime) struct Tally {
    applied: LogPosition,
    sums: [Sum; 2],
}

#[derive(Debug, Default)]
struct Sum {
    applied: LogPosition,
    total: u64,
    dirty: bool,
}

impl Tally {
    pub(super) fn total(&self) -> u64 {
        self.sums.iter().map(|sum| sum.total).sum()
    }
}

/// Each input says who asks; answers carry it back.
#[derive(Debug, Clone)]
pub(in crate::runtime) enum Input {
    Add { who: u64, number: u64 },
    Total { who: u64 },
    Nth { who: u64, position: u64 },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::runtime) enum Effect {
    Added { who: u64, total: u64 },
    Total { who: u64, total: u64 },
    Nth { who: u64, number: Option<u64> },
    Refused { who: u64 },
    Signal { who: u64 },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::runtime) struct Added(pub(super) u64);

impl Domain for Tally {
    type Seed = ();
    type Input = Input;
    type Event = Added;
    type Effect = Effect;
    type Question = u64;
    type Fact = u64;

    const ROWS_VERSION: u32 = 1;

    fn new((): ()) -> Self {
        Self::default()
    }

    fn lane(input: &Input) -> Option<Lane> {
        match input {
            Input::Add { who, .. } | Input::Total { who } | Input::Nth { who, .. } => {
                Some(Lane(*who))
            }
        }
    }

    fn needs(&self, input: &Input) -> Option<u64> {
        match input {
            Input::Nth { position, .. } => Some(*position),
            Input::Add { .. } | Input::Total { .. } => None,
        }
    }

    fn handle(
        &mut self,
        moment: Moment,
        input: Input,
        fact: Option<Result<u64, HistoryError>>,
        out: &mut Outcome<Self>,
    ) {
        match input {
            Input::Add { who, .. } if moment.storage == Storage::Full => {
                out.held.push(Effect::Refused { who });
            }
            Input::Add { who, number } => {
                let event = Added(number);
                self.apply(self.applied.next(), &event);
                out.events.push(event);
                out.now.push(Effect::Signal { who });
                out.held.push(Effect::Added {
                    who,
                    total: self.total(),
                });
            }
            Input::Total { who } => out.held.push(Effect::Total {
                who,
                total: self.total(),
            }),
            Input::Nth { who, .. } => {
                let number = fact.expect("it was asked").ok();
                out.held.push(Effect::Nth { who, number });
            }
        }
    }

    fn tick(&mut self, _: Moment, _: &mut Outcome<Self>) {}

    fn next_deadline(&self) -> Option<Timestamp> {
        None
    }

    fn is_idle(&self) -> bool {
        true
    }

    fn apply(&mut self, at: LogPosition, event: &Added) {
        self.applied = at;
        let sum = &mut self.sums[usize::from(event.0 % 2 == 1)];
        if at > sum.applied {
            sum.total += event.0;
            sum.dirty = true;
        }
    }

    /// A looked up number weighs what it says.
    fn weight(effect: &Effect) -> usize {
        match effect {
            Effect::Nth { number, .. } => {
                number.map_or(0, |number| usize::try_from(number).unwrap())
            }
            Effect::Added { .. }
            | Effect::Total { .. }
            | Effect::Refused { .. }
            | Effect::Signal { .. } => 1,
        }
    }

    fn encode(event: &Added) -> Bytes {
        Bytes::copy_from_slice(&event.0.to_le_bytes())
    }

    fn decode(bytes: &[u8]) -> Result<Added, DecodeError> {
        let bytes = bytes
            .try_into()
            .map_err(|_| DecodeError::Malformed { what: "number" })?;
        Ok(Added(u64::from_le_bytes(bytes)))
    }

    fn index((): &(), at: LogPosition, event: &Added, rows: &mut Vec<Row>) {
        let mut key = vec![b'n'];
        key.extend(at.0.to_be_bytes());
        rows.push(Row {
            key,
            value: event.0.to_le_bytes().to_vec(),
            expires: None,
        });
    }

    fn time(_: &Added) -> Timestamp {
        Timestamp(1)
    }

    fn answer((): &(), position: &u64, history: &dyn History) -> Result<u64, HistoryError> {
        let mut key = vec![b'n'];
        key.extend(position.to_be_bytes());
        let value = history.get(&key)?.ok_or(HistoryError::Trimmed)?;
        let indexed = u64::from_le_bytes(value.try_into().expect("eight bytes were written"));
        let stored = Self::decode(&history.event(LogPosition(*position))?).expect("it was stored");
        assert_eq!(indexed, stored.0, "index and log agree");
        Ok(indexed)
    }

    fn sections(&self) -> Vec<SectionId> {
        vec![SectionId(0), SectionId(1)]
    }

    fn take_dirty_sections(&mut self) -> Vec<SectionId> {
        let taken = self
            .sums
            .iter_mut()
            .map(|sum| std::mem::take(&mut sum.dirty));
        let numbered = taken.zip(0..).filter(|(dirty, _)| *dirty);
        numbered.map(|(_, number)| SectionId(number)).collect()
    }

    fn save_section(&self, section: SectionId) -> Option<Vec<u8>> {
        let sum = self.sums.get(usize::try_from(section.0).ok()?)?;
        let mut bytes = self.applied.0.to_le_bytes().to_vec();
        bytes.extend(sum.total.to_le_bytes());
        Some(bytes)
    }

    fn load_section(&mut self, section: SectionId, bytes: &[u8]) -> Result<(), DecodeError> {
        let malformed = || DecodeError::Malformed { what: "sum" };
        let number = usize::try_from(section.0).map_err(|_| malformed())?;
        let sum = self.sums.get_mut(number).ok_or_else(malformed)?;
        let (applied, total) = bytes.split_first_chunk().ok_or_else(malformed)?;
        sum.applied = LogPosition(u64::from_le_bytes(*applied));
        sum.total = u64::from_le_bytes(total.try_into().map_err(|_| malformed())?);
        self.applied = self.applied.max(sum.applied);
        Ok(())
    }
}
