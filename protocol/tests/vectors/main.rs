//! The files in `vectors/`: examples of every frame that all implementations share. Each is decoded,
//! encoded again and compared, from the file's bytes alone. `HOMEROOM_WRITE_VECTORS=1` writes them
//! anew; a vector of a released version never changes.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod bad_fields;
mod coverage;
mod describe;
mod examples;
mod grammar;
mod invalid;
mod render;
mod spec;

use std::{collections::BTreeSet, fs, path::PathBuf};

use homeroom_protocol::{
    decode_client_message, decode_server_message, encode_client_frame, encode_server_frame, limit,
};
use invalid::Refusal;

/// The kind of a hello: a bad one is not answered by an error.
const HELLO: u8 = 1;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

/// The file's text, which must be `expected`.
fn checked_file(name: &str, expected: &str) -> String {
    let path = folder().join(name).with_extension("txt");
    if std::env::var_os("HOMEROOM_WRITE_VECTORS").is_some() {
        fs::write(&path, expected).unwrap();
    }
    let file = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(file, expected, "{name}: see vectors/README.md");
    file
}

#[test]
fn every_client_vector_is_read_and_written_to_the_same_bytes() {
    for (name, about, frame) in examples::client() {
        let mut encoded = Vec::new();
        encode_client_frame(&frame, &mut encoded);
        let expected = render::valid("client", about, &encoded, &describe::client(&frame));

        let file = checked_file(name, &expected);
        let bytes = render::bytes(render::line(&file, "hex"));
        let frames = decode_client_message(&bytes, limit::CLIENT_MESSAGE_BYTES_MAX).unwrap();
        let frames: Vec<_> = frames.map(Result::unwrap).collect();
        assert_eq!(frames, [frame], "{name}");
        assert_eq!(
            describe::client(&frames[0]),
            render::line(&file, "expect"),
            "{name}"
        );
    }
}

#[test]
fn every_server_vector_is_read_and_written_to_the_same_bytes() {
    for (name, about, frame) in examples::server() {
        let mut encoded = Vec::new();
        encode_server_frame(&frame, &mut encoded);
        let expected = render::valid("server", about, &encoded, &describe::server(&frame));

        let file = checked_file(name, &expected);
        let bytes = render::bytes(render::line(&file, "hex"));
        let frames = decode_server_message(&bytes, limit::SERVER_MESSAGE_BYTES_MAX).unwrap();
        let frames: Vec<_> = frames.map(Result::unwrap).collect();
        assert_eq!(frames, [frame], "{name}");
        assert_eq!(
            describe::server(&frames[0]),
            render::line(&file, "expect"),
            "{name}"
        );
    }
}

#[test]
fn every_invalid_vector_is_refused_as_it_says() {
    for example in invalid::all() {
        let (name, direction, _, bytes, expected) = &example;
        let file = checked_file(&format!("invalid/{name}"), &invalid::file(&example));
        if !bytes.is_empty() {
            assert_eq!(&render::bytes(render::line(&file, "hex")), bytes, "{name}");
        }
        let refusal = if *direction == "client" {
            match decode_client_message(bytes, limit::CLIENT_MESSAGE_BYTES_MAX) {
                Err(error) => Refusal::of_message(error),
                Ok(mut frames) => {
                    let error = frames.next().unwrap().unwrap_err();
                    if bytes.get(1) == Some(&HELLO) {
                        Refusal::of_hello(&error)
                    } else {
                        Refusal::of_frame(&error)
                    }
                }
            }
        } else {
            match decode_server_message(bytes, limit::SERVER_MESSAGE_BYTES_MAX) {
                Err(error) => Refusal::of_message(error),
                Ok(mut frames) => Refusal::of_frame(&frames.next().unwrap().unwrap_err()),
            }
        };
        assert_eq!(&refusal, expected, "{name}");
    }
}

#[test]
fn every_form_of_every_frame_has_a_vector() {
    let shown: BTreeSet<_> = examples::client()
        .iter()
        .flat_map(|(_, _, frame)| coverage::client(frame))
        .collect();
    let all: BTreeSet<_> = coverage::CLIENT.concat().into_iter().collect();
    assert_eq!(shown, all);

    let shown: BTreeSet<_> = examples::server()
        .iter()
        .flat_map(|(_, _, frame)| coverage::server(frame))
        .collect();
    let all: BTreeSet<_> = coverage::SERVER.concat().into_iter().collect();
    assert_eq!(shown, all);
}

/// What all values of a choice are called is in what the examples say.
#[test]
fn every_value_of_every_choice_has_a_vector() {
    let clients: Vec<_> = examples::client()
        .iter()
        .map(|(_, _, frame)| describe::client(frame))
        .collect();
    let servers: Vec<_> = examples::server()
        .iter()
        .map(|(_, _, frame)| describe::server(frame))
        .collect();
    let all = [clients.clone(), servers.clone()].concat();
    let check = |said: &[String], field: &str, names: &[&str], but: Option<&str>| {
        for name in names.iter().filter(|&&name| Some(name) != but) {
            let value = format!("\"{field}\":\"{name}\"");
            assert!(said.iter().any(|line| line.contains(&value)), "{value}");
        }
    };
    for (field, names) in coverage::CLIENT_CHOICES {
        check(&clients, field, names, None);
    }
    for (field, names) in coverage::SERVER_CHOICES {
        // Left out where it is the default.
        let but = (*field == "change").then_some("none");
        check(&servers, field, names, but);
    }
    for (field, names) in [coverage::RESETS, coverage::REMOVALS] {
        check(&servers, field, names, None);
    }
    use describe::choice;
    check(&all, "room_kind", choice::ROOM_KINDS, Some("open"));
    check(&all, "durability", choice::DURABILITIES, Some("synced"));
    let availabilities = choice::AVAILABILITIES;
    check(&clients, "availability", availabilities, Some("automatic"));
}

#[test]
fn no_file_is_left_that_no_test_reads() {
    let mut known: BTreeSet<String> = ["README.md", "invalid"].map(str::to_owned).into();
    known.extend(
        examples::client()
            .iter()
            .map(|(name, ..)| format!("{name}.txt")),
    );
    known.extend(
        examples::server()
            .iter()
            .map(|(name, ..)| format!("{name}.txt")),
    );
    let files = |path: PathBuf| -> BTreeSet<String> {
        let entries = fs::read_dir(path).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    };
    assert_eq!(files(folder()), known);
    let known = invalid::all()
        .iter()
        .map(|(name, ..)| format!("{name}.txt"))
        .collect();
    assert_eq!(files(folder().join("invalid")), known);
}
