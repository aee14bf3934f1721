//! What operators write, and what they are told.

use std::{ffi::OsString, os::unix::ffi::OsStringExt};

use homeroom_engine::described::Described;
use proptest::prelude::*;
use toml::Value;

use super::{
    layers::{look_up, table_of, variable},
    *,
};

fn file(text: &str) -> Sources {
    Sources {
        file: Some((PathBuf::from("north.toml"), text.as_bytes().to_vec())),
        ..Sources::default()
    }
}

fn variables<const N: usize>(said: [(&str, &str); N]) -> Sources {
    Sources {
        variables: said.map(|(name, value)| (name.into(), value.into())).into(),
        ..Sources::default()
    }
}

fn flags<const N: usize>(said: [&str; N]) -> Sources {
    Sources {
        flags: said.map(Flag::set).into(),
        ..Sources::default()
    }
}

fn settled(sources: Sources) -> InForce {
    sources.settle().unwrap_or_else(|error| panic!("{error}"))
}

/// What the operator is told.
fn told(sources: Sources) -> String {
    match sources.settle() {
        Ok(_) => panic!("nobody complained"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn nothing_said_is_the_default() {
    let in_force = settled(Sources::default());
    assert_eq!(in_force.config, Config::default());
    assert_eq!(in_force.origin("listen"), Origin::Default);
}

#[test]
fn defaults_are_the_parts_own() {
    let config = Config::default();
    let (engine, ours) = (homeroom_engine::Config::default(), config.engine());
    assert_eq!(ours.settings, engine.settings);
    assert_eq!(ours.shards, engine.shards);
    assert_eq!(ours.storage_calls_max, engine.storage_calls_max);
    assert_eq!(ours.sleep_after_ms, engine.sleep_after_ms);
    assert_eq!(ours.snapshot_every_records, engine.snapshot_every_records);
    assert_eq!(ours.open_indexes_max, engine.open_indexes_max);
    assert_eq!(ours.segment_bytes, engine.segment_bytes);
    assert_eq!(ours.outbox_bytes_max, engine.outbox_bytes_max);
    let (host, ours) = (HostConfig::default(), config.host());
    assert_eq!(ours.listen, host.listen);
    assert_eq!(ours.admission, host.admission);
    assert_eq!(ours.memory, host.memory);
    assert_eq!(ours.drain, host.drain);
    assert_eq!(ours.operations, host.operations);
    assert_eq!(ours.terms.api, host.terms.api);
    assert_eq!(ours.terms.origins, host.terms.origins);
    assert_eq!(ours.terms.handshake_within, host.terms.handshake_within);
    assert_eq!(ours.terms.hello_within, host.terms.hello_within);
    assert_eq!(ours.terms.hang_up_within, host.terms.hang_up_within);
}

#[test]
fn the_command_line_wins_over_variables_and_they_over_the_file() {
    let layers = |from: usize| {
        let said = Sources {
            variables: variables([("HOMEROOM_RULES__ROOMS_MAX", "2")]).variables,
            flags: flags(["rules.rooms_max=3", "rules.rooms_max=4"]).flags,
            ..file("[rules]\nrooms_max = 1")
        };
        let empty = Sources::default;
        settled(Sources {
            file: if from < 1 { said.file } else { empty().file },
            variables: if from < 2 { said.variables } else { Vec::new() },
            flags: if from < 3 { Vec::new() } else { said.flags },
        })
    };
    assert_eq!(
        settled(file("[rules]\nrooms_max = 1"))
            .config
            .rules
            .rooms_max,
        1
    );
    let (both, flagged) = (layers(0), layers(3));
    assert_eq!(both.config.rules.rooms_max, 2);
    assert_eq!(flagged.config.rules.rooms_max, 4);
    assert_eq!(
        flagged.origin("rules.rooms_max").to_string(),
        "flag --set rules.rooms_max"
    );
    assert_eq!(
        both.origin("rules.rooms_max").to_string(),
        "variable HOMEROOM_RULES__ROOMS_MAX"
    );
}

#[test]
fn the_guest_rule_depends_on_the_address_only_by_default() {
    let guests = |listen: &str, guests: &str| {
        let listen = format!("listen={listen}:1");
        settled(flags([&listen, &format!("guests={guests}")]))
            .config
            .guests()
    };
    assert_eq!(guests("127.0.0.1", "on_loopback"), Guests::Allowed);
    assert_eq!(guests("0.0.0.0", "on_loopback"), Guests::Refused);
    assert_eq!(guests("0.0.0.0", "allowed"), Guests::Allowed);
    assert_eq!(guests("127.0.0.1", "refused"), Guests::Refused);
}

#[test]
fn every_key_has_a_reason_and_a_variable_of_its_own() {
    let mut names = std::collections::BTreeSet::new();
    for section in keys::sections() {
        assert!(!section.about.trim().is_empty());
        for (key, about) in section.keys() {
            assert!(about.trim().len() > 20, "{key} is not explained");
            assert!(names.insert(variable(&key)), "{key} shares its variable");
        }
    }
    // What serde knows and what is listed is the same.
    let table = table_of(&Config::default());
    for (name, value) in &table {
        assert_eq!(
            value.is_table(),
            keys::is_table(name),
            "{name} is not listed"
        );
        for key in value.as_table().into_iter().flat_map(toml::Table::keys) {
            assert!(keys::is_key(&format!("{name}.{key}")), "{name}.{key}");
        }
    }
    for field in Config::FIELDS {
        let listed = keys::is_key(field.name) || keys::is_table(field.name);
        assert!(listed, "{} is not listed", field.name);
    }
}

#[test]
fn every_key_can_be_set_in_every_layer_to_what_it_is() {
    let table = table_of(&Config::default());
    for key in keys::all() {
        let Some(value) = look_up(&table, &key) else {
            continue;
        };
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let set = settled(flags([&format!("{key}={text}")]));
        assert_eq!(set.config, Config::default(), "{key}");
        let name = variable(&key);
        let set = settled(variables([(&name, &text)]));
        assert_eq!(set.config, Config::default(), "{key}");
        assert_eq!(set.origin(&key), Origin::Variable { name });
    }
}

#[test]
fn text_that_looks_like_something_else_stays_text() {
    for said in ["2024", "true", "[1]", "\"quoted\"", "a=b"] {
        let config = settled(flags([&format!("data={said}")])).config;
        assert_eq!(config.data, PathBuf::from(said));
    }
}

#[test]
fn a_list_is_written_as_in_the_file_or_with_commas() {
    for said in ["10.0.0.0/8, fd00::/8", "[\"10.0.0.0/8\", \"fd00::/8\"]"] {
        let said = format!("admission.uncounted_prefixes={said}");
        assert_eq!(
            settled(flags([&said])).config.admission.uncounted_prefixes,
            ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]
        );
    }
}

#[test]
fn a_typo_in_the_file_is_told_with_its_line_and_the_key_that_was_meant() {
    let text =
        "# north\nlsten = \"127.0.0.1:1\"\n\n[rules]\nroom_max = 3\n[lgo]\nformat = \"text\"\n";
    assert_eq!(
        told(file(text)),
        "3 things are wrong with the config\
         \n  north.toml, line 2: there is no key \"lsten\"; did you mean listen?\
         \n  north.toml, line 5: there is no key \"rules.room_max\"; did you mean rules.rooms_max?\
         \n  north.toml, line 6: there is no table [lgo]; did you mean [log]?"
    );
}

#[test]
fn a_typo_in_a_variable_is_told_as_a_variable() {
    for typo in [
        "HOMEROOM_RULES_ROOMS_MAX",
        "HOMEROOM_RULES__ROOM_MAX",
        "HOMEROOM_rules__rooms_max",
        "HOMEROOM_ROOMS_MAX",
    ] {
        assert_eq!(
            told(variables([(typo, "3")])),
            format!("variable {typo}: it sets nothing; did you mean HOMEROOM_RULES__ROOMS_MAX?")
        );
    }
    let secret = told(variables([("HOMEROOM_SOMETHING_ELSE_X", "hunter2")]));
    assert!(!secret.contains("hunter2"), "{secret}");
}

#[test]
fn a_typo_on_the_command_line_is_told_too() {
    assert_eq!(
        told(flags(["dta=x"])),
        "flag --set dta: there is no key \"dta\"; did you mean data?"
    );
    assert_eq!(
        told(flags(["listen"])),
        "flag --set listen: a key and its value are wanted, as in rules.rooms_max=100"
    );
}

#[test]
fn a_wrong_type_is_told_with_what_is_wanted() {
    assert_eq!(
        told(file("[rules]\ntyping_ttl_ms = \"3s\"")),
        "north.toml, line 2: rules.typing_ttl_ms cannot be \"3s\": it has to be a whole number that is \
         not negative; the default is 6000"
    );
    assert_eq!(
        told(variables([("HOMEROOM_LISTEN", "localhost")])),
        "variable HOMEROOM_LISTEN: listen cannot be \"localhost\": it has to be an address and a port, \
         as in 127.0.0.1:7400; the default is \"127.0.0.1:7400\""
    );
    assert_eq!(
        told(flags(["guests=alowed"])),
        "flag --set guests: guests cannot be \"alowed\": it has to be one of `on_loopback`, `allowed`, \
         `refused`; the default is \"on_loopback\""
    );
    assert_eq!(
        told(flags(["storage.shards=many"])),
        "flag --set storage.shards: storage.shards cannot be \"many\": it has to be a whole number that \
         is not negative; by default it is not set"
    );
    let told = told(file("rules = 3\n[listen]\nport = 1"));
    assert!(told.contains("line 1: rules is a table"), "{told}");
    assert!(told.contains("line 2: listen cannot be"), "{told}");
}

#[test]
fn a_number_out_of_bounds_is_told_with_its_bounds_and_the_reason() {
    assert_eq!(
        told(flags(["storage.shards=0"])),
        "flag --set storage.shards: storage.shards cannot be 0: it goes from 1 to 1024, as each is a \
         task that a core should run"
    );
    // Every number has both bounds.
    let table = table_of(&Config::default());
    let numbers = keys::all().filter(|key| look_up(&table, key).is_some_and(Value::is_integer));
    for key in numbers {
        assert!(
            flags([&format!("{key}={}", i64::MIN)]).settle().is_err(),
            "{key}"
        );
        assert!(
            flags([&format!("{key}={}", i64::MAX)]).settle().is_err(),
            "{key}"
        );
    }
}

#[test]
fn what_does_not_go_together_is_told_with_both_keys() {
    assert_eq!(
        told(flags(["drain.notice_ms=9000"])),
        "flag --set drain.notice_ms: drain.notice_ms is a part of drain.within_ms, which is 9000: 9000 \
         leaves nothing for clients to go in"
    );
    assert_eq!(
        told(flags(["operations.listen=127.0.0.1:7400"])),
        "flag --set operations.listen: operations.listen is the address of listen, 127.0.0.1:7400: give \
         it another, or leave it out to have one door for both"
    );
    assert_eq!(
        told(flags(["tls.certificate=north.pem"])),
        "flag --set tls.certificate: tls.certificate is of no use without tls.key: name both files or none"
    );
    settled(flags(["tls.certificate=north.pem", "tls.key=key.pem"]));
    // Two free ports are two.
    settled(flags([
        "listen=127.0.0.1:0",
        "operations.listen=127.0.0.1:0",
    ]));
}

#[test]
fn what_is_no_toml_is_told_with_its_line() {
    let told = told(file("# one\nlisten = \"127"));
    assert!(
        told.starts_with("north.toml, line 2: this is not TOML: "),
        "{told}"
    );
    assert_eq!(told.lines().count(), 1);
    let twice = self::told(file("data = \"a\"\ndata = \"b\""));
    assert!(twice.contains("line 2"), "{twice}");
    let binary = Sources {
        file: Some((PathBuf::from("north.toml"), vec![0xff])),
        ..Sources::default()
    };
    assert_eq!(self::told(binary), "north.toml: the value is not UTF-8");
}

#[test]
fn a_file_that_is_named_has_to_be_there_and_has_a_bound() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("homeroom.toml");
    let read = || Sources::gather(Some(path.clone()), Vec::new());
    let told = read().unwrap_err().to_string();
    assert!(
        told.contains("homeroom.toml: it cannot be read: No such file"),
        "{told}"
    );
    let room = usize::try_from(FILE_BYTES_MAX).unwrap();
    std::fs::write(&path, vec![b'\n'; room]).unwrap();
    assert!(read().is_ok());
    std::fs::write(&path, vec![b'\n'; room + 1]).unwrap();
    let told = read().unwrap_err().to_string();
    assert!(
        told.ends_with("a config has at most 1048576 bytes"),
        "{told}"
    );
}

#[test]
fn variables_of_others_are_passed_over() {
    let config = settled(variables([
        ("PATH", "/bin"),
        ("HOMEROOM_SERVICE_HOST", "10.0.0.1"),
        ("HOMEROOM_SERVICE_PORT", "7400"),
        ("HOMEROOM_SERVICE_PORT_WS", "7400"),
        ("HOMEROOM_PORT", "tcp://10.0.0.1:7400"),
        ("HOMEROOM_PORT_7400_TCP_ADDR", "10.0.0.1"),
        ("HOMEROOM_CONFIG", "north.toml"),
    ]));
    assert_eq!(config.config, Config::default());
    assert!(variables([("HOMEROOM_PORTS", "1")]).settle().is_err());
}

#[test]
fn what_is_not_text_is_refused_and_not_mangled() {
    let not_text = || OsString::from_vec(vec![0xff]);
    let said = Sources {
        variables: vec![("HOMEROOM_DATA".into(), not_text())],
        flags: vec![Flag::path("--data", "data", not_text().as_ref())],
        file: None,
    };
    assert_eq!(
        told(said),
        "2 things are wrong with the config\
         \n  variable HOMEROOM_DATA: the value is not UTF-8\
         \n  flag --data: the value is not UTF-8"
    );
}

#[test]
fn rust_log_filters_unless_our_own_variable_does() {
    let filter = |sources| settled(sources).config.log.filter.to_string();
    assert_eq!(filter(variables([("RUST_LOG", "debug")])), "debug");
    assert_eq!(filter(variables([("RUST_LOG", "")])), "info");
    let both = [("RUST_LOG", "debug"), ("HOMEROOM_LOG__FILTER", "warn")];
    assert_eq!(filter(variables(both)), "warn");
}

#[test]
fn what_is_printed_says_where_it_comes_from() {
    let said = Sources {
        variables: variables([("HOMEROOM_GUESTS", "refused")]).variables,
        flags: vec![Flag::named("--listen", "listen", "[::1]:5")],
        ..file("[rules]\nrooms_max = 1")
    };
    let printed = settled(said).to_string();
    for line in [
        "listen = \"[::1]:5\"  # from flag --listen",
        "guests = \"refused\"  # from variable HOMEROOM_GUESTS",
        "rooms_max = 1  # from north.toml, line 2",
        "data = \"./homeroom-data\"  # default",
        "# shards is not set",
        "[storage]",
    ] {
        assert!(printed.lines().any(|it| it == line), "{line}: {printed}");
    }
}

#[test]
fn a_file_name_cannot_break_out_of_its_comment() {
    let mut said = file("guests = \"refused\"");
    said.file.as_mut().unwrap().0 = PathBuf::from("a\nguests = \"allowed\"");
    let printed = settled(said).to_string();
    assert_eq!(settled(file(&printed)).config.guests, GuestRule::Refused);
}

/// Any value of the kind a key has; many are out of bounds.
fn any_value(default: Option<&Value>) -> BoxedStrategy<Value> {
    match default {
        Some(Value::String(text)) => {
            let text = Value::String(text.clone());
            prop_oneof![Just(text), ".*".prop_map(Value::String)].boxed()
        }
        Some(Value::Boolean(_)) => any::<bool>().prop_map(Value::Boolean).boxed(),
        Some(Value::Integer(_)) | None => (0..1_000_000i64).prop_map(Value::Integer).boxed(),
        Some(other) => Just(other.clone()).boxed(),
    }
}

fn any_said() -> impl Strategy<Value = Vec<(String, Value)>> {
    let table = table_of(&Config::default());
    let all: Vec<_> = keys::all().collect();
    let one = proptest::sample::select(all).prop_flat_map(move |key| {
        any_value(look_up(&table, &key)).prop_map(move |it| (key.clone(), it))
    });
    proptest::collection::vec(one, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn what_is_printed_makes_the_same_config(said in any_said()) {
        let accepted = said.into_iter().filter_map(|(key, value)| {
            let text = match value {
                Value::String(text) => text,
                other => other.to_string(),
            };
            let flag = Flag::named("--set", &key, text);
            let alone = Sources { flags: vec![flag.clone()], ..Sources::default() };
            alone.settle().is_ok().then_some(flag)
        });
        let said = Sources { flags: accepted.collect(), ..Sources::default() };
        if let Ok(in_force) = said.settle() {
            let again = settled(file(&in_force.to_string()));
            prop_assert_eq!(again.config, in_force.config);
        }
    }

    #[test]
    fn no_file_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in ".*") {
        for bytes in [bytes, text.into_bytes()] {
            let file = Some((PathBuf::from("x"), bytes));
            let _ = Sources { file, ..Sources::default() }.settle();
        }
    }

    #[test]
    fn no_damage_to_a_file_makes_it_panic(at in 0..9000usize, cut in 0..50usize, put in "[\\[\\]{}=.,\"'#\n a-z0-9_-]{0,9}") {
        let mut text = settled(Sources::default()).to_string().into_bytes();
        let from = at.min(text.len());
        let to = (from + cut).min(text.len());
        text.splice(from..to, put.into_bytes());
        let file = Some((PathBuf::from("x"), text));
        if let Err(error) = (Sources { file, ..Sources::default() }).settle() {
            prop_assert!(!error.problems.is_empty());
        }
    }

    #[test]
    fn no_variable_and_no_flag_makes_it_panic(name in "[A-Z_]{0,30}", value in ".*", flag in ".*") {
        let variables = vec![(format!("HOMEROOM_{name}").into(), value.into())];
        let flags = vec![Flag::set(&flag)];
        let _ = Sources { file: None, variables, flags }.settle();
    }
}

#[test]
fn the_lines_that_the_key_command_prints_are_read_and_printed_back() {
    let hash = "ab".repeat(32);
    let text = format!(
        "[api]\noperator_key_sha256 = \"{hash}\"\n[[api.service_keys]]\nname = \"timetable\"\n\
         tenants = [\"north\", \"south\"]\nkey_sha256 = \"{hash}\"\n"
    );
    let first = file(&text).settle().unwrap();
    let key = &first.config.api.service_keys[0];
    assert_eq!((key.name.as_str(), key.tenants.len()), ("timetable", 2));
    let second = file(&first.to_string()).settle().unwrap();
    assert_eq!(second.config, first.config);
}

#[test]
fn a_key_where_its_hash_should_stand_is_not_repeated() {
    let key = format!("hrk_{}", "5e".repeat(36));
    for sources in [
        file(&format!("[api]\noperator_key_sha256 = \"{key}\"")),
        file(&format!(
            "[api]\nservice_keys = [{{ name = \"a\", tenants = [], key_sha256 = \"{key}\" }}]"
        )),
        file(&format!("[api]\n{key} = 1")),
        variables([("HOMEROOM_API__OPERATOR_KEY_SHA256", &key)]),
        flags([&format!("api.operator_key_sha256={key}")]),
        flags([&format!("{key}=1")]),
    ] {
        let told = told(sources);
        assert!(!told.contains("5e5e"), "{told}");
        assert!(told.contains("hrk_…"), "{told}");
    }
}
