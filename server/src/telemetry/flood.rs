//! Holds back lines of the log that come too fast.
//!
//! Whoever knocks at a damaged tenant a thousand times a second causes an error each time, and each is true.
//! The first few say it; the others fill a disk. So every line of the source may be written a few times in a
//! while, for each tenant anew, that one tenant's trouble does not hide another's; what was held back is
//! counted and told. Debug and trace are not held back: who asks for them wants all.

use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tracing::{
    Event, Level, Subscriber,
    callsite::Identifier,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields, FormattedFields,
        format::Writer,
        time::{FormatTime, SystemTime},
    },
    registry::LookupSpan,
};

/// So many lines of one kind are written within [`WINDOW`]: enough to see what is going on.
const LINES_MAX: u32 = 20;
/// After this time they count anew.
const WINDOW: Duration = Duration::from_secs(10);
/// Kinds that are counted apart; beyond them, all tenants of a line share its count.
const KINDS_MAX: usize = 1024;
/// The field and the span that name a tenant.
const TENANT: &str = "tenant";

/// What a line looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Json,
}

/// Formats lines as `F` does, not too many of them.
#[derive(Debug)]
pub(super) struct Limited<F> {
    line: F,
    form: Form,
    hasher: RandomState,
    windows: Mutex<HashMap<Kind, Window>>,
    now: fn() -> Instant,
}

/// A line of the source, and the tenant it speaks of, hashed; 0: none.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kind {
    line: Identifier,
    tenant: u64,
}

#[derive(Debug)]
struct Window {
    began: Instant,
    lines: u32,
}

/// What becomes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// It is written.
    Write {
        /// So many were held back before it.
        held_back: u32,
        /// Whether it is the last for a while.
        last: bool,
    },
    HoldBack,
}

impl<F> Limited<F> {
    pub(super) fn new(line: F, form: Form) -> Self {
        Self {
            line,
            form,
            hasher: RandomState::new(),
            windows: Mutex::default(),
            now: Instant::now,
        }
    }

    fn judge(&self, kind: Kind) -> Verdict {
        let now = (self.now)();
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = make_room(&mut windows, kind, now);
        let window = windows.entry(kind).or_insert(Window {
            began: now,
            lines: 0,
        });
        let mut held_back = 0;
        if now.duration_since(window.began) >= WINDOW {
            held_back = window.lines.saturating_sub(LINES_MAX);
            *window = Window {
                began: now,
                lines: 0,
            };
        }
        window.lines = window.lines.saturating_add(1);
        match window.lines {
            lines if lines > LINES_MAX => Verdict::HoldBack,
            lines => Verdict::Write {
                held_back,
                last: lines == LINES_MAX,
            },
        }
    }

    /// The tenant a line speaks of or is spoken in.
    fn tenant<S, N>(&self, context: &FmtContext<'_, S, N>, event: &Event<'_>) -> u64
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
        N: for<'a> FormatFields<'a> + 'static,
    {
        let mut named = Named::default();
        event.record(&mut named);
        let tenant = named.tenant.or_else(|| {
            let span = context.event_scope()?.find(|span| span.name() == TENANT)?;
            let fields = span.extensions();
            Some(fields.get::<FormattedFields<N>>()?.fields.clone())
        });
        tenant.map_or(0, |tenant| self.hasher.hash_one(tenant))
    }

    /// Says something of lines that read as `like`.
    fn note(&self, to: &mut Writer<'_>, level: Level, said: &str, like: &str) -> fmt::Result {
        let target = module_path!();
        match self.form {
            Form::Text => {
                SystemTime.format_time(to)?;
                writeln!(to, " {level:>5} {target}: {said}: {like}")
            }
            Form::Json => {
                let mut timestamp = String::new();
                SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
                let note = serde_json::json!({
                    "timestamp": timestamp,
                    "level": level.as_str(),
                    "message": said,
                    "like": like,
                    "target": target,
                });
                writeln!(to, "{note}")
            }
        }
    }
}

/// Forgets what is over when there are too many kinds; whether that helps or not, `kind` then has a place.
fn make_room(windows: &mut HashMap<Kind, Window>, kind: Kind, now: Instant) -> Kind {
    if windows.len() < KINDS_MAX || windows.contains_key(&kind) {
        return kind;
    }
    windows.retain(|_, window| now.duration_since(window.began) < WINDOW);
    if windows.len() < KINDS_MAX {
        return kind;
    }
    // As many as there are lines in the source.
    Kind { tenant: 0, ..kind }
}

impl<S, N, F> FormatEvent<S, N> for Limited<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = *event.metadata().level();
        if level > Level::INFO {
            return self.line.format_event(context, writer, event);
        }
        let kind = Kind {
            line: event.metadata().callsite(),
            tenant: self.tenant(context, event),
        };
        let Verdict::Write { held_back, last } = self.judge(kind) else {
            return Ok(());
        };
        let mut named = Named::default();
        event.record(&mut named);
        if held_back > 0 {
            let said = format!("{held_back} lines like this were held back");
            self.note(&mut writer, level, &said, &named.message)?;
        }
        self.line.format_event(context, writer.by_ref(), event)?;
        if last {
            let said = format!("more lines like this are held back for {WINDOW:?}");
            self.note(&mut writer, level, &said, &named.message)?;
        }
        Ok(())
    }
}

/// What of a line tells it apart from others.
#[derive(Debug, Default)]
struct Named {
    tenant: Option<String>,
    message: String,
}

impl Visit for Named {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            TENANT => self.tenant = Some(format!("{value:?}")),
            "message" => self.message = format!("{value:?}"),
            _ => {}
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
