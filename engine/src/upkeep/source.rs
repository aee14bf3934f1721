//! Where records come from: a log beside its running writer, or one that nobody has open.

use std::sync::Arc;

use homeroom_protocol::TenantName;

use super::UpkeepError;
use crate::{
    engine::{Engine, TenantError},
    log::{Bounds, Log, LogPosition, LogReader, ReadError, Record},
    runtime::{folder::TenantRecord, rooms::SleepingLog},
};

/// The records of a log up to where it was durable when this was opened.
#[derive(Debug)]
pub(super) struct Source {
    records: Records,
    end: LogPosition,
}

#[derive(Debug)]
enum Records {
    Live(Arc<dyn Log>),
    Asleep(Box<LogReader>),
}

impl Records {
    fn bounds(&self) -> Bounds {
        match self {
            Self::Live(log) => log.bounds(),
            Self::Asleep(reader) => reader.bounds(),
        }
    }
}

impl Source {
    fn new(name: &TenantName, records: Records) -> Result<Self, UpkeepError> {
        let Bounds { first, last } = records.bounds();
        if first > LogPosition(1) {
            let name = name.clone();
            return Err(UpkeepError::Trimmed { name, first });
        }
        Ok(Self { records, end: last })
    }

    pub(super) fn of_reader(name: &TenantName, reader: LogReader) -> Result<Self, UpkeepError> {
        Self::new(name, Records::Asleep(Box::new(reader)))
    }

    /// The last position.
    pub(super) const fn end(&self) -> LogPosition {
        self.end
    }

    /// Records from `from` on, at least one; none behind the end.
    pub(super) fn read(
        &self,
        from: LogPosition,
        bytes_max: usize,
    ) -> Result<Vec<Record>, UpkeepError> {
        if from > self.end {
            return Ok(Vec::new());
        }
        let mut records = match &self.records {
            Records::Live(log) => log.read(from, bytes_max)?,
            Records::Asleep(reader) => reader.read(from, bytes_max)?,
        };
        records.retain(|record| record.position <= self.end);
        if records.is_empty() {
            let place = "the log, which ends before the position it names".to_owned();
            return Err(ReadError::Corrupt { at: from, place }.into());
        }
        Ok(records)
    }
}

impl Engine {
    /// Who a tenant is, and its log as it is now: awake or asleep, it goes on.
    pub(super) async fn source(
        &self,
        name: &TenantName,
    ) -> Result<(TenantRecord, Source), UpkeepError> {
        let hold = self.shared.tenants.hold(name).await;
        let hold = hold.ok_or(TenantError::ShutDown)?;
        let (host, name) = (Arc::clone(&self.shared.host), name.clone());
        // In a task of its own, which has the hold: whoever gives up does not let others open the log
        // while it is being looked at.
        let look = async move |engine: Self| {
            let live = hold.log();
            let look = move || -> Result<_, UpkeepError> {
                let record = host.record(&name)?;
                let records = match live {
                    Some(log) => Records::Live(log),
                    None => match host.sleeping_log(&name)? {
                        SleepingLog::Memory(log) => Records::Live(log),
                        SleepingLog::Disk(reader) => Records::Asleep(reader),
                    },
                };
                Ok((record, Source::new(&name, records)?))
            };
            let looked = engine.blocking(look).await;
            drop(hold);
            looked
        };
        Self::to_the_end(look(self.clone())).await
    }
}
