//! Floods, on a clock that is set by hand.

use std::{
    cell::Cell,
    io,
    sync::{Arc, LazyLock},
};

use tracing::{debug, error, error_span};
use tracing_subscriber::{
    fmt::{MakeWriter, format},
    layer::SubscriberExt,
};

use super::*;

thread_local! {
    static LATER: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

fn clock() -> Instant {
    *START + LATER.get()
}

fn later(time: Duration) {
    LATER.set(LATER.get() + time);
}

/// What was written.
#[derive(Debug, Clone, Default)]
pub(in crate::telemetry) struct Page(Arc<Mutex<Vec<u8>>>);

impl Page {
    pub(in crate::telemetry) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn count(&self, words: &str) -> usize {
        self.text()
            .lines()
            .filter(|line| line.contains(words))
            .count()
    }
}

impl io::Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Page {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

fn written(form: Form, work: impl FnOnce(&Page)) -> Page {
    let page = Page::default();
    let for_lines = page.clone();
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(for_lines)
        .with_ansi(false);
    match form {
        Form::Text => {
            let mut line = Limited::new(format(), form);
            line.now = clock;
            let lines = tracing_subscriber::registry().with(layer.event_format(line));
            tracing::subscriber::with_default(lines, || work(&page));
        }
        Form::Json => {
            let mut line = Limited::new(format().json(), form);
            line.now = clock;
            let lines = tracing_subscriber::registry().with(layer.json().event_format(line));
            tracing::subscriber::with_default(lines, || work(&page));
        }
    }
    page
}

fn knock(tenant: &str) {
    error!(tenant, "a tenant cannot be entered");
}

#[test]
fn a_flood_is_cut_off_and_counted() {
    let page = written(Form::Text, |page| {
        for _ in 0..1_000 {
            knock("north");
        }
        assert_eq!(page.count("tenant=\"north\""), 20);
        later(WINDOW);
        knock("north");
    });
    assert_eq!(page.count("tenant=\"north\""), 21);
    assert_eq!(
        page.count("more lines like this are held back for 10s: a tenant cannot be entered"),
        1
    );
    assert_eq!(
        page.count("980 lines like this were held back: a tenant cannot be entered"),
        1
    );
    assert_eq!(page.text().lines().count(), 23, "{}", page.text());
}

#[test]
fn the_trouble_of_one_tenant_does_not_hide_that_of_another() {
    let page = written(Form::Text, |_| {
        for _ in 0..100 {
            knock("north");
            error_span!("tenant", tenant = "east").in_scope(|| error!("the log failed"));
        }
        knock("south");
        error_span!("tenant", tenant = "west").in_scope(|| error!("the log failed"));
        error!("something else");
    });
    assert_eq!(page.count("tenant=\"north\""), 20);
    assert_eq!(page.count("tenant=\"south\""), 1);
    assert_eq!(page.count("tenant=\"east\""), 20);
    assert_eq!(page.count("tenant=\"west\""), 1);
    assert_eq!(page.count("something else"), 1);
}

#[test]
fn who_asks_for_all_gets_all() {
    let page = written(Form::Text, |_| {
        for _ in 0..100 {
            debug!("a client said something");
        }
    });
    assert_eq!(page.text().lines().count(), 100);
}

#[test]
fn every_line_of_json_is_json() {
    let page = written(Form::Json, |_| {
        for _ in 0..100 {
            knock("a \"quoted\" tenant");
        }
        later(WINDOW);
        knock("a \"quoted\" tenant");
    });
    assert_eq!(page.text().lines().count(), 23);
    for line in page.text().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["level"], "ERROR");
        assert!(line["timestamp"].is_string());
    }
}

#[test]
fn inventing_tenants_does_not_help_and_costs_bounded_memory() {
    let page = written(Form::Text, |page| {
        for number in 0..KINDS_MAX + 500 {
            knock(&format!("tenant-{number}"));
        }
        // Those that found a place, and those that share one.
        assert_eq!(page.count("tenant=\"tenant-"), KINDS_MAX + 20);
        // What is over makes room.
        later(WINDOW);
        for number in 0..50 {
            knock(&format!("later-{number}"));
        }
    });
    assert_eq!(page.count("tenant=\"later-"), 50);
}
