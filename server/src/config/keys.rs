//! Which keys there are: read off the structs themselves, so that none can be forgotten.

use homeroom_engine::described::{Described, Field};

use super::{Config, LimitSettings, StorageSettings};
use crate::{
    admission::{AdmissionSettings, MemorySettings},
    host::{DrainSettings, OperationsSettings},
    http::{ApiSettings, OriginSettings},
    telemetry::{logs::LogSettings, traces::TraceSettings},
    tls::TlsSettings,
};

/// A table of the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Section {
    /// Its name; none for what stands above all tables.
    pub(super) name: Option<&'static str>,
    /// Its documentation.
    pub(super) about: &'static str,
    /// Its keys.
    pub(super) fields: &'static [Field],
}

const fn section<T: Described>(name: &'static str) -> Section {
    Section {
        name: Some(name),
        about: T::ABOUT,
        fields: T::FIELDS,
    }
}

/// The tables, in the order they are printed in.
const TABLES: &[Section] = &[
    section::<OperationsSettings>("operations"),
    section::<TlsSettings>("tls"),
    section::<ApiSettings>("api"),
    section::<OriginSettings>("origins"),
    section::<LimitSettings>("limits"),
    section::<AdmissionSettings>("admission"),
    section::<MemorySettings>("memory"),
    section::<DrainSettings>("drain"),
    section::<StorageSettings>("storage"),
    section::<homeroom_engine::tenant::Settings>("rules"),
    section::<LogSettings>("log"),
    section::<TraceSettings>("trace"),
];

/// Every section, that of the keys above all tables first.
pub(super) fn sections() -> impl Iterator<Item = Section> {
    std::iter::once(Section {
        name: None,
        about: Config::ABOUT,
        fields: Config::FIELDS,
    })
    .chain(TABLES.iter().copied())
}

impl Section {
    /// Its keys in full, each with its documentation.
    pub(super) fn keys(self) -> impl Iterator<Item = (String, &'static str)> {
        let of_table = |field: &Field| TABLES.iter().any(|it| it.name == Some(field.name));
        (self.fields.iter())
            .filter(move |field| self.name.is_some() || !of_table(field))
            .map(move |field| (joined(self.name, field.name), field.about))
    }
}

/// Every key in full.
pub(super) fn all() -> impl Iterator<Item = String> {
    sections().flat_map(|section| section.keys().map(|(key, _)| key))
}

pub(super) fn is_table(name: &str) -> bool {
    TABLES.iter().any(|it| it.name == Some(name))
}

pub(super) fn is_key(key: &str) -> bool {
    all().any(|it| it == key)
}

/// `rules` and `rooms_max` are `rules.rooms_max`.
pub(super) fn joined(table: Option<&str>, name: &str) -> String {
    match table {
        Some(table) => format!("{table}.{name}"),
        None => name.to_owned(),
    }
}

/// `rules.rooms_max` is `rules` and `rooms_max`.
pub(super) fn parted(key: &str) -> (Option<&str>, &str) {
    match key.split_once('.') {
        Some((table, name)) => (Some(table), name),
        None => (None, key),
    }
}

/// The key somebody may have meant, if one is near enough: either as a whole, or the same name elsewhere.
pub(super) fn nearest(key: &str) -> Option<String> {
    nearest_of(key, all())
}

/// The same among the tables.
pub(super) fn nearest_table(name: &str) -> Option<String> {
    nearest_of(
        name,
        TABLES.iter().filter_map(|it| it.name).map(str::to_owned),
    )
}

fn nearest_of(said: &str, names: impl Iterator<Item = String>) -> Option<String> {
    // Longer than any key by far: nobody meant one, and comparing would take its length squared.
    if said.len() > 100 {
        return None;
    }
    let (_, bare) = parted(said);
    let likeness = |name: &String| {
        let (_, bare_name) = parted(name);
        let elsewhere = strsim::jaro_winkler(bare, bare_name) * 0.97;
        // In a short name one slip changes much of it.
        let one_slip = strsim::osa_distance(said, name) < 2;
        let alike = strsim::jaro_winkler(said, name).max(elsewhere);
        alike.max(if one_slip { 0.9 } else { 0.0 })
    };
    let rated = names.map(|name| (likeness(&name), name));
    let best = rated.max_by(|one, other| one.0.total_cmp(&other.0))?;
    (best.0 > 0.8).then_some(best.1)
}
