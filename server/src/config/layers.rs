//! From what was said in file, environment and command line to the config in force.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    fmt,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use toml::{Table, Value, de::DeTable};

use super::{Config, ConfigError, Fault, Problem, check, keys, text::shown};

/// Largest file that is read, in bytes. All keys with their documentation are a fiftieth of it.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// What the name of every variable begins with.
const PREFIX: &str = "HOMEROOM_";
/// Names the file. The only variable that is no key.
const FILE_VARIABLE: &str = "HOMEROOM_CONFIG";
/// The file that is read where no other is named, if it is there.
const FILE: &str = "./homeroom.toml";
/// What other Rust programs filter their logs by. It sets `log.filter` where our own variable does not.
const RUST_LOG: &str = "RUST_LOG";
const FILTER: &str = "log.filter";

/// What was said, layer by layer.
#[derive(Debug, Default)]
pub struct Sources {
    /// The file and what is in it.
    pub file: Option<(PathBuf, Vec<u8>)>,
    /// The environment; what does not begin with `HOMEROOM_` is passed over.
    pub variables: Vec<(OsString, OsString)>,
    /// The command line; the last of several for one key counts.
    pub flags: Vec<Flag>,
}

/// A key and its value on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// Its name, with its dashes.
    pub name: &'static str,
    /// Which key it sets.
    pub key: String,
    /// To what; `None` if that is missing.
    pub value: Option<OsString>,
}

/// A config, and where each value comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct InForce {
    /// The config.
    pub config: Config,
    origins: BTreeMap<String, Origin>,
}

/// Where something was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere.
    Default,
    /// In the file, on this line, counted from 1.
    File {
        /// The file.
        file: PathBuf,
        /// The line; `None` for the file as a whole.
        line: Option<usize>,
    },
    /// In a variable of the environment.
    Variable {
        /// Its name.
        name: String,
    },
    /// On the command line.
    Flag {
        /// The flag, and the key where it can set any.
        name: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file_name = |file: &Path| shown(&file.display().to_string());
        match self {
            Self::Default => f.write_str("default"),
            Self::File { file, line: None } => f.write_str(&file_name(file)),
            Self::File {
                file,
                line: Some(line),
            } => write!(f, "{}, line {line}", file_name(file)),
            Self::Variable { name } => write!(f, "variable {}", shown(name)),
            Self::Flag { name } => write!(f, "flag {}", shown(name)),
        }
    }
}

impl Origin {
    /// Layer by layer, and down the file.
    const fn rank(&self) -> (u8, Option<usize>) {
        match self {
            Self::Default => (0, None),
            Self::File { line, .. } => (1, *line),
            Self::Variable { .. } => (2, None),
            Self::Flag { .. } => (3, None),
        }
    }
}

impl Flag {
    /// What `--set` says.
    #[must_use]
    pub fn set(said: &str) -> Self {
        let (key, value) = match said.split_once('=') {
            Some((key, value)) => (key.trim(), Some(value.trim().into())),
            None => (said, None),
        };
        Self {
            name: "--set",
            key: key.to_owned(),
            value,
        }
    }

    /// What a flag of its own says.
    #[must_use]
    pub fn named(name: &'static str, key: &str, value: impl fmt::Display) -> Self {
        Self {
            name,
            key: key.to_owned(),
            value: Some(value.to_string().into()),
        }
    }

    /// What a flag says that takes a path.
    #[must_use]
    pub fn path(name: &'static str, key: &str, value: &Path) -> Self {
        Self {
            name,
            key: key.to_owned(),
            value: Some(value.into()),
        }
    }

    fn origin(&self) -> Origin {
        let name = match self.name {
            "--set" => format!("--set {}", self.key),
            name => name.to_owned(),
        };
        Origin::Flag { name }
    }
}

impl Sources {
    /// Looks around: reads the file that `file`, the environment or custom names, and the environment.
    ///
    /// # Errors
    /// [`ConfigError`] when the file cannot be read.
    pub fn gather(file: Option<PathBuf>, flags: Vec<Flag>) -> Result<Self, ConfigError> {
        let named = file.or_else(|| {
            let named = env::var_os(FILE_VARIABLE).filter(|it| !it.is_empty());
            named.map(PathBuf::from)
        });
        let file = match named {
            Some(file) => Some(file),
            None => Some(PathBuf::from(FILE)).filter(|it| it.exists()),
        };
        let file = match file {
            Some(file) => {
                let bytes = read(&file)?;
                Some((file, bytes))
            }
            None => None,
        };
        Ok(Self {
            file,
            variables: env::vars_os().collect(),
            flags,
        })
    }

    /// The config that all of this makes.
    ///
    /// # Errors
    /// [`ConfigError`] with everything that is wrong.
    pub fn settle(self) -> Result<InForce, ConfigError> {
        let mut layers = Layers::new();
        if let Some((file, bytes)) = &self.file {
            layers.take_file(file, bytes);
        }
        layers.take_variables(self.variables);
        for flag in self.flags {
            layers.take_flag(flag);
        }
        layers.settle()
    }
}

fn read(file: &Path) -> Result<Vec<u8>, ConfigError> {
    let problem = |fault| ConfigError {
        problems: vec![Problem {
            origin: Origin::File {
                file: file.to_path_buf(),
                line: None,
            },
            fault,
        }],
    };
    let mut bytes = Vec::new();
    (File::open(file))
        // One more than allowed, so that a file at its bound can be told from one above it.
        .and_then(|opened| opened.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|cause| problem(Fault::Unreadable { cause }))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(problem(Fault::TooLong));
    }
    Ok(bytes)
}

/// Where this key stands in the environment.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_ascii_uppercase())
}

/// Kubernetes puts these into every container beside a service that is called homeroom.
fn is_foreign(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX) else {
        return true;
    };
    let numbered = |rest: &str| rest.starts_with(|it: char| it.is_ascii_digit());
    matches!(rest, "SERVICE_HOST" | "SERVICE_PORT" | "PORT")
        || rest.starts_with("SERVICE_PORT_")
        || rest.strip_prefix("PORT_").is_some_and(numbered)
}

/// What was gathered so far.
struct Layers {
    defaults: Table,
    values: BTreeMap<String, (Value, Origin)>,
    problems: Vec<Problem>,
}

impl Layers {
    fn new() -> Self {
        Self {
            defaults: table_of(&Config::default()),
            values: BTreeMap::new(),
            problems: Vec::new(),
        }
    }

    fn take_file(&mut self, file: &Path, bytes: &[u8]) {
        let at = |line| Origin::File {
            file: file.to_path_buf(),
            line,
        };
        let Ok(text) = std::str::from_utf8(bytes) else {
            return self.complain(at(None), Fault::NotUtf8);
        };
        let line = |offset: usize| {
            let before = text.as_bytes().iter().take(offset);
            Some(1 + before.filter(|byte| **byte == b'\n').count())
        };
        let parsed = DeTable::parse(text).and_then(|tree| Ok((tree, text.parse::<Table>()?)));
        let (tree, values) = match parsed {
            Ok(parsed) => parsed,
            Err(error) => {
                let place = at(error.span().and_then(|span| line(span.start)));
                let why = error.message().replace('\n', ", ");
                return self.complain(place, Fault::NotToml { why });
            }
        };
        for (name, inner) in tree.get_ref() {
            let place = at(line(name.span().start));
            let name = name.get_ref().as_ref();
            let value = values.get(name);
            let inner = match (inner.get_ref().as_table(), keys::is_table(name)) {
                (Some(inner), true) => inner,
                (None, true) => {
                    let name = name.to_owned();
                    self.complain(place, Fault::NotATable { name });
                    continue;
                }
                (Some(_), false) if !keys::is_key(name) => {
                    let nearest = keys::nearest_table(name);
                    let name = shown(name);
                    self.complain(place, Fault::UnknownTable { name, nearest });
                    continue;
                }
                (Some(_) | None, false) => {
                    self.take_value(name, value.cloned(), place);
                    continue;
                }
            };
            for key in inner.keys() {
                let place = at(line(key.span().start));
                let key = key.get_ref().as_ref();
                let value = value.and_then(|it| it.get(key)).cloned();
                self.take_value(&keys::joined(Some(name), key), value, place);
            }
        }
    }

    /// Takes what stands behind a key in the file.
    fn take_value(&mut self, key: &str, value: Option<Value>, origin: Origin) {
        // A name may hold anything in quotes, even a dot.
        let Some(value) = value.filter(|_| keys::is_key(key)) else {
            let nearest = keys::nearest(key);
            let key = shown(key);
            return self.complain(origin, Fault::UnknownKey { key, nearest });
        };
        match probe(key, &value) {
            Ok(()) => {
                self.values.insert(key.to_owned(), (value, origin));
            }
            Err(why) => self.refuse(key, &value.to_string(), why, origin),
        }
    }

    fn take_variables(&mut self, mut variables: Vec<(OsString, OsString)>) {
        // An environment has no order: it is made one, so that problems are told in one.
        variables.sort();
        let rust_log = variables.iter().position(|(name, _)| name == RUST_LOG);
        if let Some(at) = rust_log {
            let (_, filter) = variables.remove(at);
            // As elsewhere, an empty one says nothing.
            if !filter.is_empty() {
                self.take_text(FILTER, filter.to_str(), variable_origin(RUST_LOG));
            }
        }
        for (name, value) in variables {
            let name = name.to_string_lossy();
            if is_foreign(&name) || name == FILE_VARIABLE {
                continue;
            }
            let origin = variable_origin(&name);
            match keys::all().find(|key| variable(key) == name) {
                Some(key) => self.take_text(&key, value.to_str(), origin),
                None => {
                    let said = name[PREFIX.len()..].to_ascii_lowercase();
                    let nearest = keys::nearest(&said.replacen("__", ".", 1));
                    let nearest = nearest.map(|key| variable(&key));
                    self.complain(origin, Fault::UnknownVariable { nearest });
                }
            }
        }
    }

    fn take_flag(&mut self, flag: Flag) {
        let origin = flag.origin();
        match flag.value {
            None => self.complain(origin, Fault::NoValue),
            Some(_) if !keys::is_key(&flag.key) => {
                let nearest = keys::nearest(&flag.key);
                let key = shown(&flag.key);
                self.complain(origin, Fault::UnknownKey { key, nearest });
            }
            Some(value) => self.take_text(&flag.key, value.to_str(), origin),
        }
    }

    /// Takes what has no type yet: text if the key takes text, otherwise what it says in TOML.
    fn take_text(&mut self, key: &str, said: Option<&str>, origin: Origin) {
        let Some(said) = said else {
            return self.complain(origin, Fault::NotUtf8);
        };
        let text = Value::String(said.to_owned());
        let as_text = probe(key, &text);
        let in_toml = said
            .parse::<Value>()
            .ok()
            .or_else(|| self.as_list(key, said));
        let in_toml = in_toml.map(|value| (probe(key, &value), value));
        let accepted = match (&as_text, in_toml) {
            (Ok(()), _) => text,
            (Err(_), Some((Ok(()), value))) => value,
            (Err(as_text), in_toml) => {
                let why = match in_toml {
                    Some((Err(why), _)) if !self.is_text(key) => why,
                    _ => as_text.clone(),
                };
                return self.refuse(key, &format!("{said:?}"), why, origin);
            }
        };
        self.values.insert(key.to_owned(), (accepted, origin));
    }

    /// Where a list is wanted, commas will do.
    fn as_list(&self, key: &str, said: &str) -> Option<Value> {
        let wanted = self.default(key).is_some_and(Value::is_array);
        let one = |said: &str| Value::String(said.trim().to_owned());
        wanted.then(|| Value::Array(said.split(',').map(one).collect()))
    }

    fn is_text(&self, key: &str) -> bool {
        self.default(key).is_some_and(Value::is_str)
    }

    fn default(&self, key: &str) -> Option<&Value> {
        look_up(&self.defaults, key)
    }

    fn refuse(&mut self, key: &str, value: &str, why: String, origin: Origin) {
        let fault = Fault::WrongValue {
            key: key.to_owned(),
            value: shown(value),
            why,
            default: self.default(key).map(Value::to_string),
        };
        self.complain(origin, fault);
    }

    fn complain(&mut self, origin: Origin, fault: Fault) {
        self.problems.push(Problem { origin, fault });
    }

    fn settle(mut self) -> Result<InForce, ConfigError> {
        let mut table = Table::new();
        let mut origins = BTreeMap::new();
        for (key, (value, origin)) in self.values {
            put(&mut table, &key, value);
            origins.insert(key, origin);
        }
        let config = match Config::deserialize(table) {
            Ok(config) => config,
            // Each value was probed by itself, so this needs two that a section refuses together.
            Err(error) => {
                let why = error.message().to_owned();
                self.problems.push(Problem {
                    origin: Origin::Default,
                    fault: Fault::Contradiction { why },
                });
                Config::default()
            }
        };
        let in_force = InForce { config, origins };
        self.problems.extend(check::problems(&in_force));
        match self.problems.is_empty() {
            true => Ok(in_force),
            false => {
                self.problems.sort_by_key(|it| it.origin.rank());
                Err(ConfigError {
                    problems: self.problems,
                })
            }
        }
    }
}

impl InForce {
    /// Where the value of this key comes from.
    #[must_use]
    pub fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).cloned().unwrap_or(Origin::Default)
    }
}

fn variable_origin(name: &str) -> Origin {
    Origin::Variable {
        name: name.to_owned(),
    }
}

/// Whether this key can take this value; if not, what it can take.
fn probe(key: &str, value: &Value) -> Result<(), String> {
    let mut table = Table::new();
    put(&mut table, key, value.clone());
    match Config::deserialize(table) {
        Ok(_) => Ok(()),
        Err(error) => Err(wanted(error.message())),
    }
}

/// What serde says, in the words of somebody who writes TOML and no Rust.
fn wanted(message: &str) -> String {
    // The standard library's words for what is no address.
    let expected = match message {
        "invalid socket address syntax" => "socket address",
        message => match message.split_once(", expected ") {
            Some((_, expected)) => expected,
            None => return message.to_owned(),
        },
    };
    let expected = match expected {
        "usize" | "u64" => "a whole number that is not negative",
        "u32" => "a whole number from 0 to 4294967295",
        "u16" => "a whole number from 0 to 65535",
        "u8" => "a whole number from 0 to 255",
        "a boolean" => "true or false",
        "a string" | "path string" => "text",
        "a sequence" => "a list, as in [\"one\", \"two\"]",
        "socket address" => "an address and a port, as in 127.0.0.1:7400",
        other => other,
    };
    format!("it has to be {expected}")
}

/// A config as a table; what is not set is not in it.
pub(super) fn table_of(config: &Config) -> Table {
    Table::try_from(config).expect("a config is made of what TOML knows")
}

pub(super) fn look_up<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    match keys::parted(key) {
        (Some(section), name) => table.get(section)?.get(name),
        (None, name) => table.get(name),
    }
}

fn put(table: &mut Table, key: &str, value: Value) {
    let (section, name) = keys::parted(key);
    let table = match section {
        None => table,
        Some(section) => (table.entry(section))
            .or_insert_with(|| Value::Table(Table::new()))
            .as_table_mut()
            .expect("no key is named as a table"),
    };
    table.insert(name.to_owned(), value);
}
