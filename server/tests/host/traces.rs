//! Traces of the real binary, as a collector receives them.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, common::v1::any_value::Value, trace::v1::Span,
};
use prost::Message;
use rustix::process::Signal;

use super::{
    binary::{Running, homeroom},
    metrics::Scrape,
    support::{Client, PATIENCE},
};

const ENDPOINT: &str = "HOMEROOM_TRACE__ENDPOINT";

/// A host that gives its traces to `collector`.
fn start(folder: &Path, collector: SocketAddr, settings: &[(&str, &str)]) -> Running {
    let mut command = homeroom(folder, &["serve", "--listen", "127.0.0.1:0"]);
    command.env(ENDPOINT, format!("http://{collector}/v1/traces"));
    command.env("HOMEROOM_TRACE__SAMPLE_RATIO", "1");
    for (key, value) in settings {
        command.env(format!("HOMEROOM_TRACE__{key}"), value);
    }
    Running::spawn(command)
}

fn stop(host: Running) -> String {
    host.signal(Signal::TERM);
    let (code, said) = host.end();
    assert_eq!(code, Some(0), "{said}");
    said
}

/// Takes one POST and answers it.
fn collect_one(listener: TcpListener) -> JoinHandle<Vec<Span>> {
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (head, body) = read_request(&mut stream);
        assert!(head.starts_with("post /v1/traces http/1.1\r\n"), "{head}");
        assert!(head.contains("content-type: application/x-protobuf\r\n"));
        assert!(head.contains("host: 127.0.0.1:"), "{head}");
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer).unwrap();
        let request = ExportTraceServiceRequest::decode(&body[..]).unwrap();
        let resources = request.resource_spans.into_iter();
        resources
            .flat_map(|resource| {
                let attributes = resource.resource.unwrap().attributes;
                assert!(attributes.iter().any(|it| it.key == "service.name"));
                resource.scope_spans
            })
            .flat_map(|scope| scope.spans)
            .collect()
    })
}

fn read_request(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let mut read = Vec::new();
    let mut some = [0; 4096];
    loop {
        let count = stream.read(&mut some).unwrap();
        assert!(count > 0, "ended early");
        read.extend_from_slice(&some[..count]);
        let Some(at) = read.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&read[..at + 4]).to_lowercase();
        let length = head.split("content-length: ").nth(1).unwrap();
        let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
        if read.len() >= at + 4 + length {
            return (head, read.split_off(at + 4));
        }
    }
}

fn attribute(span: &Span, key: &str) -> Option<Value> {
    let found = span.attributes.iter().find(|it| it.key == key)?;
    found.value.clone()?.value
}

#[test]
fn one_send_is_one_trace_from_its_frame_to_its_fan_out_and_nothing_is_left_behind_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = collector.local_addr().unwrap();
    let collected = collect_one(collector);
    // The only batch there is, is the one that is shipped at the end.
    let host = start(folder.path(), address, &[("BATCH_WITHIN_MS", "600000")]);
    let mut ana = Client::enter(host.address, "ana-bell");
    ana.create("the-lobby");
    let (room, _) = ana.join("the-lobby", None);
    ana.send(room, "the secret of the text");
    assert_eq!(ana.heard().1, "the secret of the text");
    ana.is_served();
    stop(host);
    let spans = collected.join().unwrap();

    let kind = |span: &Span| attribute(span, "kind");
    let sends = |span: &&Span| kind(span) == Some(Value::StringValue("send".to_owned()));
    let [request] = spans.iter().filter(sends).collect::<Vec<_>>()[..] else {
        panic!("not one send in {spans:#?}");
    };
    assert_eq!(request.name, "request");
    assert!(request.parent_span_id.is_empty(), "it is the root");
    let trace: Vec<_> = (spans.iter())
        .filter(|span| span.trace_id == request.trace_id)
        .collect();
    let named = |name: &str| -> Vec<&&Span> {
        let found: Vec<_> = trace.iter().filter(|span| span.name == name).collect();
        for span in &found {
            assert_eq!(span.parent_span_id, request.span_id, "{name}");
        }
        found
    };
    let (decide, commit, fan_out) = (named("decide"), named("commit"), named("fan_out"));
    assert_eq!((decide.len(), commit.len()), (1, 1));
    assert!(!fan_out.is_empty());
    assert_eq!(trace.len(), 3 + fan_out.len(), "{trace:#?}");
    assert_eq!(attribute(commit[0], "events"), Some(Value::IntValue(1)));

    let mut moments = vec![
        request.start_time_unix_nano,
        decide[0].start_time_unix_nano,
        decide[0].end_time_unix_nano,
        commit[0].start_time_unix_nano,
        commit[0].end_time_unix_nano,
    ];
    for span in &fan_out {
        moments.push(span.start_time_unix_nano);
        assert!(moments.is_sorted(), "{trace:#?}");
        assert!(span.end_time_unix_nano >= moments.pop().unwrap());
        assert!(span.end_time_unix_nano <= request.end_time_unix_nano);
    }
    // Joining wrote nothing: its room's maker is a member already.
    let joins = |span: &&Span| kind(span) == Some(Value::StringValue("join".to_owned()));
    let join = spans.iter().find(joins).unwrap();
    let of_join = |span: &&Span| span.trace_id == join.trace_id && span.name == "commit";
    assert_eq!(spans.iter().filter(of_join).count(), 0);
    let all = format!("{spans:?}");
    for private in ["secret", "ana-bell", "the-lobby", "default"] {
        assert!(!all.contains(private), "{private}");
    }
}

#[test]
fn a_collector_that_hangs_costs_spans_and_holds_up_nobody() {
    const MESSAGES: usize = 200;
    let folder = tempfile::tempdir().unwrap();
    // Connections are made by the kernel; nobody ever takes one.
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = start(
        folder.path(),
        collector.local_addr().unwrap(),
        &[
            ("QUEUE_SPANS_MAX", "16"),
            ("BATCH_WITHIN_MS", "1"),
            ("EXPORT_WITHIN_MS", "2000"),
        ],
    );
    let mut ana = Client::enter(host.address, "ana");
    ana.create("lobby");
    let (room, _) = ana.join("lobby", None);
    let began = Instant::now();
    for n in 0..MESSAGES {
        ana.send(room, &format!("{n}"));
    }
    assert!(began.elapsed() < PATIENCE);
    let outcome = |it: &Scrape, outcome: &str| {
        it.get(&format!(
            "homeroom_trace_spans_total{{outcome=\"{outcome}\"}}"
        ))
    };
    // A send has four spans or more; 16 wait, and as many may be under way.
    let lost = (MESSAGES * 4 - 16 - 512) as f64;
    let scrape = Scrape::until(host.address, |it| outcome(it, "dropped") >= lost);
    assert_eq!(outcome(&scrape, "exported"), 0.0);
    let failed = Scrape::until(host.address, |it| outcome(it, "failed") > 0.0);
    assert_eq!(outcome(&failed, "exported"), 0.0);
    let began = Instant::now();
    let said = stop(host);
    assert!(began.elapsed() < Duration::from_secs(12), "{said}");
    assert_eq!(
        said.matches("traces cannot be shipped").count(),
        1,
        "{said}"
    );
}

#[test]
fn requests_that_are_not_sampled_are_in_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = collector.local_addr().unwrap();
    let settings = [("SAMPLE_RATIO", "0"), ("BATCH_WITHIN_MS", "1")];
    let host = start(folder.path(), address, &settings);
    let mut ana = Client::enter(host.address, "ana");
    ana.create("lobby");
    ana.is_served();
    let scrape = Scrape::of(host.address);
    for outcome in ["exported", "failed", "dropped"] {
        let name = format!("homeroom_trace_spans_total{{outcome=\"{outcome}\"}}");
        assert_eq!(scrape.get(&name), 0.0, "{outcome}");
    }
    stop(host);
    collector.set_nonblocking(true).unwrap();
    assert!(collector.accept().is_err(), "nobody called");
}
