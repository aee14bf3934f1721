use tracing::{debug, debug_span, info, trace};

use super::{super::flood::tests::Page, *};

fn written(format: LogFormat, filter: &str, work: impl FnOnce()) -> String {
    let page = Page::default();
    let settings = LogSettings {
        format,
        filter: LogFilter::try_from(filter.to_owned()).unwrap(),
    };
    let lines = tracing_subscriber::registry().with(layer(&settings, page.clone(), false));
    tracing::subscriber::with_default(lines, work);
    page.text()
}

#[test]
fn a_line_of_json_carries_the_ids_as_fields() {
    let text = written(LogFormat::Json, "trace", || {
        debug_span!("connection", connection = 7, tenant = "north").in_scope(|| {
            debug!(room = "class-7b", "joined");
        });
    });
    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["level"], "DEBUG");
    assert_eq!(line["message"], "joined");
    assert_eq!(line["room"], "class-7b");
    assert_eq!(line["spans"][0]["name"], "connection");
    assert_eq!(line["spans"][0]["connection"], 7);
    assert_eq!(line["spans"][0]["tenant"], "north");
}

#[test]
fn a_line_of_text_carries_them_too() {
    let text = written(LogFormat::Text, "trace", || {
        debug_span!("connection", connection = 7).in_scope(|| debug!(room = "class-7b", "joined"));
    });
    assert!(text.contains("connection{connection=7}"), "{text}");
    assert!(
        text.trim_end().ends_with("joined room=\"class-7b\""),
        "{text}"
    );
}

#[test]
fn the_filter_goes_by_level_and_by_target() {
    let work = || {
        info!("an info");
        debug!("a debug");
        trace!(target: "homeroom_engine::index", "deep inside");
    };
    let lines = |filter| written(LogFormat::Text, filter, work).lines().count();
    assert_eq!(lines("off"), 0);
    assert_eq!(lines("info"), 1);
    assert_eq!(lines("DEBUG"), 2);
    assert_eq!(lines("info, homeroom_engine::index=trace"), 2);
    assert_eq!(lines("off,homeroom_engine"), 1);
}

/// `info!` and `span!` then cost a look at one number.
#[test]
fn what_no_filter_wants_is_not_even_made() {
    for (filter, level) in [
        ("info", LevelFilter::INFO),
        ("warn", LevelFilter::WARN),
        ("off", LevelFilter::OFF),
        ("info,homeroom_engine::index=trace", LevelFilter::TRACE),
    ] {
        let settings = LogSettings {
            format: LogFormat::Text,
            filter: LogFilter::try_from(filter.to_owned()).unwrap(),
        };
        let lines = tracing_subscriber::registry()
            .with(None::<tracing_subscriber::layer::Identity>)
            .with(layer(&settings, Page::default(), false));
        assert_eq!(Subscriber::max_level_hint(&lines), Some(level), "{filter}");
    }
}

#[test]
fn of_others_only_warnings_and_errors_are_heard() {
    let text = written(LogFormat::Text, "trace", || {
        trace!(target: "hyper::proto", "read 17 bytes: secret");
        info!(target: "opentelemetry", "exported");
        tracing::warn!(target: "opentelemetry", "cannot export");
    });
    assert_eq!(text.lines().count(), 1);
    assert!(text.contains("cannot export"), "{text}");
}

#[test]
fn a_misspelt_level_is_no_target() {
    for wrong in [
        "inof",
        "",
        "info,",
        "info,homeroom_engine=loud",
        "=info",
        "info debug",
    ] {
        let refused = LogFilter::try_from(wrong.to_owned());
        assert!(refused.is_err(), "{wrong}");
    }
    let refused = LogFilter::try_from("info,inof".to_owned()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "\"inof\" is neither a level (error, warn, info, debug, trace, off) nor target=level"
    );
}

#[test]
fn a_panic_is_told_without_what_it_may_quote() {
    let cut = std::hint::black_box("sécret");
    let text = written(LogFormat::Text, "info", || {
        let before = panic::take_hook();
        hush_panics();
        let quoting = panic::catch_unwind(|| cut[..2].len());
        let plain = panic::catch_unwind(|| panic!("the rules are broken"));
        panic::set_hook(before);
        assert!(quoting.is_err() && plain.is_err());
    });
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(!text.contains("cret"), "{text}");
    assert!(text.contains("logs/tests.rs:"), "{text}");
    assert!(text.contains("words=\"the rules are broken\""), "{text}");
}
