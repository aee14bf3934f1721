//! An indexer follows its log, mends its index by itself and never blames it for the log.

mod index_support;

use std::sync::{Arc, atomic::Ordering::Relaxed};

use homeroom_engine::{
    domain::HistoryError,
    index::{IndexFault, Indexer},
    log::{Log, LogPosition},
};
use index_support::{
    Ask, Failing, FakeLog, Note, OF_ANOTHER_CLOCK, Pad, Script, ScriptedPlace, assert_as_fresh,
    fresh, push_notes,
};

fn scripted() -> (Indexer<Pad>, Arc<Script>) {
    let script = Arc::new(Script::default());
    let place = Box::new(ScriptedPlace(script.clone()));
    (Indexer::new((), place, None), script)
}

fn log_of(count: u64) -> FakeLog {
    let log = FakeLog::default();
    push_notes(&log, 0, count);
    log
}

#[test]
fn it_opens_when_first_needed_and_catches_up_before_every_answer() {
    let log = log_of(50);
    let (indexer, script) = scripted();
    assert_eq!(script.opens.load(Relaxed), 0);
    assert_as_fresh(&indexer, &log);
    push_notes(&log, 50, 10);
    assert_as_fresh(&indexer, &log);
    assert_eq!(indexer.catch_up(&log, log.end()), Ok(LogPosition(60)));
    assert_eq!(script.opens.load(Relaxed), 1);
    let reads = log.reads();
    indexer.catch_up(&log, log.end()).unwrap();
    assert_eq!(log.reads(), reads, "nothing new, nothing read");
}

#[test]
fn an_empty_log_has_an_empty_index() {
    let (indexer, _) = scripted();
    let log = FakeLog::default();
    assert_eq!(indexer.catch_up(&log, log.end()), Ok(LogPosition::START));
    assert_eq!(
        indexer.answer(&log, log.end(), &Ask::Topic(0)),
        Ok(Vec::new())
    );
}

#[test]
fn a_write_comes_to_at_most_192_rows_of_the_store() {
    let log = log_of(2000);
    let (indexer, script) = scripted();
    indexer.catch_up(&log, log.end()).unwrap();
    let rows = script.rows_max.load(Relaxed);
    assert_eq!(rows, 192, "two of each record, and none of them share one");
    assert_as_fresh(&indexer, &log);
}

#[test]
fn neighbours_in_the_log_are_not_read_one_by_one() {
    let log = FakeLog::default();
    for n in 0..500_u64 {
        log.push(&Note {
            topic: 1,
            time: n,
            text: Vec::new(),
        });
    }
    let (indexer, _) = scripted();
    indexer.catch_up(&log, log.end()).unwrap();
    let reads = log.reads();
    let newest_first = indexer.answer(&log, log.end(), &Ask::Topic(1)).unwrap();
    assert_eq!(newest_first.len(), 500);
    assert!(log.reads() - reads < 12, "{} reads", log.reads() - reads);
}

fn notes(count: u64, bytes: usize) -> FakeLog {
    notes_apart(1, count, bytes)
}

fn notes_apart(ms: u64, count: u64, bytes: usize) -> FakeLog {
    let log = FakeLog::default();
    for n in 0..count {
        log.push(&Note {
            topic: 1,
            time: n * ms,
            text: vec![0; bytes],
        });
    }
    log
}

#[test]
fn events_that_lie_together_are_read_at_once_and_the_others_alone() {
    for bytes in [20, 200, 1000] {
        let log = notes(6_000, bytes);
        let (indexer, _) = scripted();
        indexer.catch_up(&log, log.end()).unwrap();
        let read = |wanted: Vec<u64>| {
            let (reads, records) = log.read_so_far();
            let ask = Ask::Events(wanted.clone());
            let answer = indexer.answer(&log, log.end(), &ask).unwrap();
            assert!(answer.iter().map(|(at, _)| at).eq(wanted.iter().rev()));
            let after = log.read_so_far();
            (after.0 - reads, after.1 - records)
        };
        assert_eq!(read((1..=50).map(|n| n * 100).collect()), (50, 50));
        let (reads, records) = read((1001..=1050).collect());
        assert!(reads <= 2, "{reads} reads of 50 neighbours");
        // As many more as the guess of how long one is was too high, or as one read brings.
        assert!(records <= 50 * 256 / bytes + 66, "{records} records");
        let (reads, _) = read([vec![5], (2001..=2020).collect(), vec![4000]].concat());
        assert!(reads <= 4, "{reads} reads in three places");
    }
}

/// As many as one page, and far more bytes than one read brings.
#[test]
fn a_page_of_large_messages_is_read_once_in_either_direction() {
    for bytes in [4_000, 20_000, 100_000] {
        let log = notes(300, bytes);
        let (indexer, _) = scripted();
        indexer.catch_up(&log, log.end()).unwrap();
        let page: Vec<u64> = (101..=200).collect();
        // What the first guess brings, which takes them for small ones.
        let guess = 100 * 256 / bytes + 1;
        let each = (64 * 1024 / bytes).max(1);
        for ask in [Ask::Events(page.clone()), Ask::EventsUp(page.clone())] {
            let (reads, records) = log.read_so_far();
            let answer = indexer.answer(&log, log.end(), &ask).unwrap();
            assert_eq!(answer.len(), page.len());
            let after = log.read_so_far();
            let (reads, records) = (after.0 - reads, after.1 - records);
            assert!(records <= 100 + guess, "{records} records of {bytes} bytes");
            assert!(reads <= 100 / each + 3, "{reads} reads of {bytes} bytes");
        }
    }
}

/// Ten of them are an hour.
const A_TENTH_MS: u64 = 6 * 60 * 1000;

#[test]
fn late_rows_are_written_when_they_are_wanted_and_only_those_that_are() {
    let log = notes_apart(A_TENTH_MS, 10_000, 4);
    let (indexer, _) = scripted();
    let ask = |ask: Ask| indexer.answer(&log, log.end(), &ask).unwrap();
    let at = |answer: Vec<(u64, Vec<u8>)>| answer.into_iter().map(|(at, _)| at);
    assert_eq!(ask(Ask::Topic(1)).len(), 10_000);
    assert_eq!(ask(Ask::LateSoFar(1)), [], "nobody wanted any");
    // A little more, for those who ask next.
    let first: Vec<_> = at(ask(Ask::Late(1, 10, 0))).collect();
    assert!(first.len() < 2_000 && first.iter().copied().eq(1..=first.len() as u64));
    let reads = log.reads();
    ask(Ask::Late(1, first.len() as u64, 0));
    assert_eq!(log.reads(), reads, "they are there");
    let seen = ask(Ask::Reserved);
    assert_eq!(seen, [(0, Vec::new())], "how far they are is nobody's row");
    // Time is the position less one. What is too old is neither written nor read, but for an hour.
    let (_, records) = log.read_so_far();
    let wanted = Ask::Late(1, 10_000, 8_999 * A_TENTH_MS);
    let wanted: Vec<_> = at(ask(wanted)).skip(first.len()).collect();
    assert!(wanted.iter().copied().eq(8_990..=10_000));
    let (_, read) = log.read_so_far();
    assert!(read - records < 8_000, "{} records", read - records);
}

#[test]
fn late_rows_are_written_anew_when_older_ones_are_wanted_than_ever_and_only_then() {
    let log = notes_apart(A_TENTH_MS, 10_000, 4);
    let (indexer, _) = scripted();
    let late = |at: u64, since: u64| {
        let ask = Ask::Late(1, at, since * A_TENTH_MS);
        let answer = indexer.answer(&log, log.end(), &ask).unwrap();
        answer.first().map(|(at, _)| *at)
    };
    assert_eq!(late(9_000, 5_000), Some(4_991));
    // As questions that overtake each other ask.
    let reads = log.reads();
    assert_eq!(late(9_000, 5_009), Some(4_991));
    assert_eq!(late(9_000, 4_990), Some(4_991));
    assert_eq!(log.reads(), reads, "they are there");
    // As after a clock that ran ahead.
    assert_eq!(late(9_000, 100), Some(91));
    assert_eq!(late(9_000, 0), Some(1));
}

/// Where late rows are, of those wanted since a record.
fn late_since(indexer: &Indexer<Pad>, log: &FakeLog, since: u64) -> Result<Vec<u64>, HistoryError> {
    let ask = Ask::Late(1, log.end().0, (since - 1) * A_TENTH_MS);
    let answer = indexer.answer(log, log.end(), &ask)?;
    Ok(answer.into_iter().map(|(at, _)| at).collect())
}

#[test]
fn what_cannot_be_read_and_is_too_old_to_be_wanted_is_passed_over() {
    for damaged in [1, 5_000, 5_001, 7_500, 8_000, 8_980] {
        let log = notes_apart(A_TENTH_MS, 10_000, 4);
        let (indexer, _) = scripted();
        indexer.catch_up(&log, log.end()).unwrap();
        log.corrupt_at(Some(LogPosition(damaged)));
        let late = |since: u64| late_since(&indexer, &log, since);
        let there = late(9_000).unwrap();
        assert!(there.into_iter().eq(8_990..=10_000), "{damaged}");
        // It may have been a record that is wanted now.
        assert_eq!(late(11), Err(HistoryError::Damaged), "{damaged}");
    }
}

#[test]
fn records_of_another_clock_hide_no_late_row() {
    let log = FakeLog::default();
    for n in 0..10_000 {
        let is_other = (4_000..6_000).contains(&n) || n % 100 == 0;
        log.push(&Note {
            topic: 1,
            time: if is_other { 0 } else { n * A_TENTH_MS },
            text: (if is_other { OF_ANOTHER_CLOCK } else { b"" }).to_vec(),
        });
    }
    let is_there = |at: &u64| !(4_001..=6_000).contains(at) && at % 100 != 1;
    for since in [1_000, 3_000, 7_000, 9_000] {
        let wanted: Vec<_> = (since - 10..=10_000).filter(is_there).collect();
        let (indexer, _) = scripted();
        let there = late_since(&indexer, &log, since).unwrap();
        assert!(there == wanted, "{since}");
    }
}

#[test]
fn late_rows_come_back_with_an_index_that_was_lost() {
    let log = notes(3_000, 4);
    let (indexer, script) = scripted();
    let wanted = Ask::Late(1, 3_000, 0);
    let before = indexer.answer(&log, log.end(), &wanted).unwrap();
    assert_eq!(before.len(), 3_000);
    script.fail("get", Failing::Says(IndexFault::Damaged));
    assert_eq!(indexer.answer(&log, log.end(), &wanted).unwrap(), before);
    assert_eq!(script.asides.load(Relaxed), 1);
}

#[test]
fn a_damaged_log_is_not_the_indexs_fault() {
    let log = log_of(100);
    let (indexer, script) = scripted();
    log.corrupt_at(Some(LogPosition(60)));
    for _ in 0..3 {
        let answer = indexer.answer(&log, log.end(), &Ask::Topic(1));
        assert_eq!(answer, Err(HistoryError::Damaged));
    }
    log.corrupt_at(None);
    assert_as_fresh(&indexer, &log);
    // Now the index is complete, and an event it leads to cannot be read.
    log.corrupt_at(Some(LogPosition(7)));
    let answer = indexer.answer(&log, log.end(), &Ask::Event(7));
    assert_eq!(answer, Err(HistoryError::Damaged));
    assert!(indexer.answer(&log, log.end(), &Ask::Event(8)).is_ok());
    assert_eq!(
        (script.opens.load(Relaxed), script.asides.load(Relaxed)),
        (1, 0)
    );
}

#[test]
fn an_event_that_cannot_be_decoded_is_not_the_indexs_fault() {
    let log = log_of(10);
    log.push_bytes(b"");
    let (indexer, script) = scripted();
    let answer = indexer.answer(&log, log.end(), &Ask::Latest(1));
    assert_eq!(answer, Err(HistoryError::Damaged));
    assert_eq!(script.asides.load(Relaxed), 0);
}

#[test]
fn a_log_that_ends_before_its_durable_end_is_not_the_indexs_fault() {
    let log = log_of(10);
    let (indexer, script) = scripted();
    let answer = indexer.catch_up(&log, LogPosition(11));
    assert_eq!(answer, Err(HistoryError::Damaged));
    assert_eq!(script.asides.load(Relaxed), 0);
}

#[test]
fn a_trimmed_event_is_told_as_such() {
    let log = log_of(100);
    let (indexer, script) = scripted();
    indexer.catch_up(&log, log.end()).unwrap();
    log.trim(LogPosition(40)).unwrap();
    let answer = indexer.answer(&log, log.end(), &Ask::Event(39));
    assert_eq!(answer, Err(HistoryError::Trimmed));
    assert!(indexer.answer(&log, log.end(), &Ask::Event(40)).is_ok());
    assert_eq!(script.asides.load(Relaxed), 0);
}

#[test]
fn a_new_index_begins_where_a_trimmed_log_does() {
    let log = log_of(100);
    log.trim(LogPosition(40)).unwrap();
    let (indexer, script) = scripted();
    assert_eq!(indexer.catch_up(&log, log.end()), Ok(LogPosition(100)));
    assert_as_fresh(&indexer, &log);
    assert_eq!(script.asides.load(Relaxed), 0);
}

#[test]
fn a_log_trimmed_to_nothing_has_an_index_at_its_end() {
    let log = log_of(3);
    log.trim(LogPosition(3)).unwrap();
    let (indexer, _) = scripted();
    assert_eq!(indexer.catch_up(&log, LogPosition(2)), Ok(LogPosition(2)));
}

#[test]
fn an_index_that_fell_behind_a_trimmed_log_is_rebuilt() {
    let log = log_of(100);
    let (indexer, script) = scripted();
    indexer.catch_up(&log, log.end()).unwrap();
    push_notes(&log, 100, 100);
    log.trim(LogPosition(150)).unwrap();
    assert_as_fresh(&indexer, &log);
    assert_eq!(script.asides.load(Relaxed), 1);
}

#[test]
fn an_index_ahead_of_its_log_is_rebuilt() {
    let log = log_of(100);
    let (indexer, script) = scripted();
    indexer.catch_up(&log, log.end()).unwrap();
    log.cut_to(LogPosition(60));
    assert_as_fresh(&indexer, &log);
    assert_eq!(script.asides.load(Relaxed), 1);
}

const CALLS: [&str; 6] = ["open", "applied", "write", "get", "range", "close"];

#[test]
fn a_panic_or_failure_in_any_call_costs_a_rebuild_and_no_answer() {
    for how in [Failing::Panics, Failing::Says(IndexFault::Damaged)] {
        for call in CALLS {
            let log = log_of(50);
            let (indexer, script) = scripted();
            indexer.catch_up(&log, log.end()).unwrap();
            indexer.close();
            push_notes(&log, 50, 50);
            script.fail(call, how);
            assert_as_fresh(&indexer, &log);
            indexer.close();
            assert_eq!(
                script.fail.lock().unwrap().len(),
                0,
                "{call} was never called"
            );
            let asides = usize::from(call != "close");
            assert_eq!(script.asides.load(Relaxed), asides, "{call} {how:?}");
        }
    }
}

#[test]
fn an_answer_built_on_a_failure_is_not_believed() {
    let log = log_of(100);
    let (indexer, script) = scripted();
    script.fail("get", Failing::Says(IndexFault::Damaged));
    let answer = indexer.answer(&log, log.end(), &Ask::Careless(1));
    assert_eq!(answer, fresh(&log, &Ask::Latest(1)));
    assert_eq!(answer.unwrap().len(), 1);
}

#[test]
fn one_that_fails_again_after_a_rebuild_is_given_up_until_the_next_question() {
    let log = log_of(100);
    for (first, second) in [
        ("open", "open"),
        ("write", "write"),
        ("get", "get"),
        ("get", "open"),
        ("get", "set_aside"),
    ] {
        let (indexer, script) = scripted();
        script.fail(first, Failing::Panics);
        script.fail(second, Failing::Panics);
        let answer = indexer.answer(&log, log.end(), &Ask::Latest(1));
        assert_eq!(answer, Err(HistoryError::Unreadable), "{first} {second}");
        assert_eq!(script.asides.load(Relaxed), 1, "{first} {second}");
        script.fail.lock().unwrap().clear();
        assert_as_fresh(&indexer, &log);
    }
}

#[test]
fn a_machine_short_of_something_costs_no_rebuild() {
    let log = log_of(100);
    for call in ["open", "write", "get"] {
        let (indexer, script) = scripted();
        script.fail(call, Failing::Says(IndexFault::Unavailable));
        let answer = indexer.answer(&log, log.end(), &Ask::Latest(1));
        assert_eq!(answer, Err(HistoryError::Unreadable));
        assert_as_fresh(&indexer, &log);
        assert_eq!(
            (script.opens.load(Relaxed), script.asides.load(Relaxed)),
            (2, 0)
        );
    }
}

#[test]
fn a_row_that_no_index_takes_costs_no_rebuild() {
    for text in ["too large to index", "reserved"] {
        let log = log_of(10);
        log.push(&Note {
            topic: 1,
            time: 9,
            text: text.into(),
        });
        let (indexer, script) = scripted();
        let answer = indexer.answer(&log, log.end(), &Ask::Latest(1));
        assert_eq!(answer, Err(HistoryError::Unreadable));
        assert_eq!(
            (script.opens.load(Relaxed), script.asides.load(Relaxed)),
            (1, 0)
        );
    }
}
