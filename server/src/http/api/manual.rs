//! `API.md` is what strangers build from: its tables are held to the code. That its examples run is
//! tested against a real host.

use std::collections::BTreeSet;

use homeroom_engine::protocol::{ErrorCode, Measure, Permissions, limit};
use hyper::Method;

use super::{
    ApiSettings, BODY_BYTES_MAX,
    changes::ChangeCall,
    problem::status_of,
    roles::{self, RoleCall},
    route::{Call, LIMIT_DEFAULT, PREFIX, Route},
};
use crate::http::REQUEST_BYTES_MAX;

const MANUAL: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/API.md"));

/// The rows of the table below a heading row.
fn table(heading: &str) -> Vec<Vec<&'static str>> {
    let at = MANUAL
        .find(&format!("\n| {heading} |\n"))
        .unwrap_or_else(|| panic!("no table {heading}"));
    let rows = MANUAL[at + 1..].lines().skip(2);
    rows.take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect()
}

fn name_of(call: &Call) -> &'static str {
    match call {
        Call::CreateRoom => "create room",
        Call::Room { .. } => "room",
        Call::Members { .. } => "members",
        Call::AddMember { .. } => "add member",
        Call::RemoveMember { .. } => "remove member",
        Call::Publish { .. } => "publish",
        Call::History { .. } => "history",
        Call::Presence { .. } => "presence",
        Call::EndSessions { .. } => "end sessions",
        Call::Changes(call) => match call {
            ChangeCall::Room { .. } => "change room",
            ChangeCall::Edit { .. } => "edit",
            ChangeCall::Delete { .. } => "delete",
            ChangeCall::Take { measure, .. } => match measure {
                Measure::Invite => "invite",
                Measure::Uninvite => "uninvite",
                Measure::Add => "add",
                Measure::Remove => "remove",
                Measure::Ban => "ban",
                Measure::Unban => "unban",
                Measure::Mute => "mute",
                Measure::Unmute => "unmute",
            },
        },
        Call::Roles(call) => match call {
            RoleCall::List => "roles",
            RoleCall::Set { .. } => "set role",
            RoleCall::Remove { .. } => "remove role",
            RoleCall::Policy => "policy",
            RoleCall::Of { .. } => "roles of",
            RoleCall::Give { .. } => "give roles",
            RoleCall::Overwrites { .. } => "overwrites",
            RoleCall::Overwrite { .. } => "overwrite",
            RoleCall::Clear { .. } => "clear overwrite",
            RoleCall::Explain { .. } => "explain",
        },
    }
}

#[test]
fn every_route_of_the_manual_is_served_and_each_call_has_one() {
    let mut calls = BTreeSet::new();
    for row in table("method | path | parameters | does") {
        let method = Method::from_bytes(row[0].trim_matches('`').as_bytes()).unwrap();
        let path = row[1]
            .trim_matches('`')
            .replace("{role}", "7")
            .replace("{seq}", "7")
            .replace(['{', '}'], "");
        let query = match row[2] {
            it if it.starts_with("`user`, `permission`") => Some("user=ada&permission=send"),
            it if it.starts_with("`user`") => Some("user=ada"),
            _ => None,
        };
        let route = Route::parse(&method, &format!("{PREFIX}north/{path}"), query);
        calls.insert(name_of(&route.unwrap().call));
    }
    assert_eq!(calls.len(), 28, "{calls:?}");
}

#[test]
fn the_manual_names_every_permission() {
    let names = roles::names(Permissions::ALL).join("`, `");
    assert!(MANUAL.contains(&format!("`{names}`")));
}

#[test]
fn the_manual_names_the_status_of_every_code() {
    let told: Vec<_> = table("code | name | status");
    let codes = ErrorCode::ALL.iter().map(|&code| {
        let status = status_of(code).as_u16();
        vec![
            code.number().to_string(),
            format!("{code:?}"),
            status.to_string(),
        ]
    });
    assert_eq!(told, codes.collect::<Vec<_>>());
}

#[test]
fn the_bounds_of_the_manual_are_those_of_the_code() {
    let ApiSettings {
        calls_in_flight_max,
        call_within_ms,
        ..
    } = ApiSettings::default();
    let expected = [
        BODY_BYTES_MAX.to_string(),
        limit::MESSAGE_TEXT_BYTES_MAX.to_string(),
        limit::ROOM_TITLE_BYTES_MAX.to_string(),
        limit::ROOM_TOPIC_BYTES_MAX.to_string(),
        limit::ROOM_METADATA_BYTES_MAX.to_string(),
        limit::FIRST_MEMBERS_MAX.to_string(),
        limit::REASON_BYTES_MAX.to_string(),
        limit::USER_ID_BYTES_MAX
            .max(limit::ROOM_ID_BYTES_MAX)
            .to_string(),
        limit::PAGE_EVENTS_MAX.to_string(),
        limit::MEMBERS_PAGE_MAX.to_string(),
        limit::WATCHED_USERS_MAX.to_string(),
        LIMIT_DEFAULT.to_string(),
        format!("{calls_in_flight_max} (`calls_in_flight_max`)"),
        format!("{call_within_ms} (`call_within_ms`)"),
        REQUEST_BYTES_MAX.to_string(),
    ];
    let told = table("what | bound | beyond it");
    let told: Vec<_> = told.iter().map(|row| row[1]).collect();
    assert_eq!(told, expected);
}
