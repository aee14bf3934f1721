//! The table of requests in `SPEC.md`, which every refusal that a scenario, a law or the fuzzer meets is held
//! to: a code that a stranger is not told to expect fails wherever it turns up first.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
};

use homeroom_engine::identity::Scopes;
use homeroom_protocol::{ErrorCode, Request};

/// What the table says of one kind.
#[derive(Debug)]
pub(crate) struct Row {
    /// The scope that all of it needs.
    pub(crate) scope: Scopes,
    /// The codes that come of what it asks for.
    pub(crate) codes: BTreeSet<u16>,
    writes: bool,
}

impl Row {
    /// Whether a request of this kind may be refused with this code; some may come to any.
    pub(crate) fn tells(&self, code: ErrorCode) -> bool {
        match code {
            ErrorCode::InvalidField
            | ErrorCode::Overloaded
            | ErrorCode::TooFast
            | ErrorCode::StorageFailed
            | ErrorCode::Forbidden => true,
            ErrorCode::StorageFull => self.writes,
            code => self.codes.contains(&code.number()),
        }
    }
}

/// All rows, by the names of the kinds.
pub(crate) fn rows() -> &'static BTreeMap<&'static str, Row> {
    static ROWS: OnceLock<BTreeMap<&str, Row>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let spec = include_str!("../../../protocol/SPEC.md");
        let (_, behind) = spec
            .split_once("\n| request | reply | durable |")
            .expect("the table is there");
        let lines = behind.lines().skip(2);
        lines.take_while(|line| !line.is_empty()).map(row).collect()
    })
}

/// `` `send` 19 | `sent` 68 | durable | scope | asked by | refused with ``
fn row(line: &'static str) -> (&'static str, Row) {
    let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
    let [kind, _, durable, scope, _, codes] = cells[..] else {
        panic!("{line}");
    };
    let name = kind.split('`').nth(1).expect("a kind has a name");
    let scope = match scope.split_once(';').map_or(scope, |(first, _)| first) {
        "read" => Scopes::READ,
        "write" => Scopes::WRITE,
        other => panic!("{other} is no scope"),
    };
    let codes = codes.split(", ").filter(|code| !code.is_empty());
    let row = Row {
        scope,
        codes: codes
            .map(|code| code.parse().expect("a code is a number"))
            .collect(),
        writes: !durable.is_empty() || scope == Scopes::WRITE,
    };
    (name, row)
}

/// What the table says of a kind.
pub(crate) fn row_of(name: &str) -> &'static Row {
    rows()
        .get(name)
        .unwrap_or_else(|| panic!("SPEC.md has no row for {name}"))
}

/// What the kind of a request is called there. A new kind does not compile before it has a name, and fails
/// before it has a row.
pub(crate) const fn name(request: &Request) -> &'static str {
    match request {
        Request::Create { .. } => "create",
        Request::Join { .. } => "join",
        Request::Leave { .. } => "leave",
        Request::Send { .. } => "send",
        Request::History { .. } => "history",
        Request::Typing { .. } => "set_typing",
        Request::Presence { .. } => "set_presence",
        Request::Watch { .. } => "watch",
        Request::Members { .. } => "list_members",
        Request::Edit { .. } => "edit",
        Request::Delete { .. } => "delete",
        Request::React { .. } => "react",
        Request::Pin { .. } => "pin",
        Request::Versions { .. } => "versions",
        Request::Mark(_) => "mark",
        Request::MarkAll { .. } => "mark_all",
        Request::Readers { .. } => "list_readers",
        Request::Follow { .. } => "follow",
        Request::Rooms { .. } => "list_rooms",
        Request::ChangeRoom { .. } => "change_room",
        Request::Moderate { .. } => "moderate",
        Request::Overwrite { .. } => "set_overwrite",
        Request::Overwrites { .. } => "list_overwrites",
        Request::Level { .. } => "set_level",
        Request::Report { .. } => "report",
        Request::Stream { .. } => "open_stream",
        Request::Me => "get_me",
        Request::Status(_) => "set_status",
        Request::Block { .. } => "block",
        Request::SetRole(_) => "set_role",
        Request::RemoveRole { .. } => "remove_role",
        Request::GiveRoles { .. } => "give_roles",
        Request::Roles => "list_roles",
        Request::Policy { .. } => "set_policy",
        Request::Explain { .. } => "explain",
        Request::View { .. } => "view",
    }
}
