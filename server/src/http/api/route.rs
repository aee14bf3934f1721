//! What is asked, read from method, path and query. Everything is checked here, before a body is read
//! or a tenant is looked for.
//!
//! A path is split at its slashes first and decoded after, so that a `%2F` in a room's id stays a part
//! of the id.

use homeroom_engine::protocol::{
    Direction, InvalidId, Measure, OverwriteTarget, RoomId, Seq, UserId,
    limit::{INTEGER_MAX, MEMBERS_PAGE_MAX, PAGE_EVENTS_MAX, WATCHED_USERS_MAX},
};
use hyper::{Method, StatusCode};

use super::{
    changes::ChangeCall,
    problem::Problem,
    roles::{self, RoleCall},
};

/// Where all paths begin.
pub(crate) const PREFIX: &str = "/v1/tenants/";
/// Events of a page and users of a list, when no number is asked for.
pub(super) const LIMIT_DEFAULT: u32 = 50;

/// One call.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Route {
    /// As it stands in the path: whether it is a name at all is not told to who may not know.
    pub(super) tenant: String,
    /// The user it is done as; `None`: the service itself.
    pub(super) acting: Option<UserId>,
    pub(super) call: Call,
}

/// What is asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Call {
    CreateRoom,
    Room {
        room: RoomId,
    },
    Members {
        room: RoomId,
        after: Option<UserId>,
        limit: u32,
    },
    AddMember {
        room: RoomId,
        member: UserId,
    },
    RemoveMember {
        room: RoomId,
        member: UserId,
    },
    Publish {
        room: RoomId,
    },
    History {
        room: RoomId,
        direction: Direction,
        anchor: Option<Seq>,
        limit: u32,
    },
    Presence {
        users: Vec<UserId>,
    },
    EndSessions {
        user: UserId,
    },
    Changes(ChangeCall),
    Roles(RoleCall),
}

impl Call {
    /// Whether somebody is out once it is done, which must not have to wait.
    pub(super) fn shuts_out(&self) -> bool {
        match self {
            Self::Changes(call) => call.shuts_out(),
            Self::RemoveMember { .. } | Self::EndSessions { .. } => true,
            Self::Roles(call) => call.shuts_out(),
            Self::CreateRoom
            | Self::Room { .. }
            | Self::Members { .. }
            | Self::AddMember { .. }
            | Self::Publish { .. }
            | Self::History { .. }
            | Self::Presence { .. } => false,
        }
    }
}

impl Route {
    /// Reads a call.
    pub(super) fn parse(method: &Method, path: &str, query: Option<&str>) -> Result<Self, Problem> {
        let segments = path.strip_prefix(PREFIX).map(|rest| rest.split('/'));
        let segments: Vec<String> = segments
            .ok_or_else(no_route)?
            .map(|segment| decoded(segment, "the path", Plus::Itself))
            .collect::<Result<_, _>>()?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let mut query = Query::parse(query.unwrap_or_default())?;
        let Some((tenant, rest)) = segments.split_first() else {
            return Err(no_route());
        };
        let call = call(method, rest, &mut query)?;
        let acting = query.one("as")?.map(|id| user("as", &id)).transpose()?;
        query.end()?;
        if acting.is_some() && matches!(call, Call::EndSessions { .. }) {
            return Err(Problem::field(
                "sessions are ended by the service itself, leave out as",
            ));
        }
        Ok(Self {
            tenant: (*tenant).to_owned(),
            acting,
            call,
        })
    }
}

fn call(method: &Method, path: &[&str], query: &mut Query) -> Result<Call, Problem> {
    Ok(match (path, method.as_str()) {
        (["rooms"], "POST") => Call::CreateRoom,
        (["rooms"], _) => return Err(Problem::wrong_method("POST")),
        (["rooms", id], "GET") => Call::Room { room: room(id)? },
        (["rooms", _], method) if method != "PATCH" => {
            return Err(Problem::wrong_method("GET, PATCH"));
        }
        (["rooms", id, "members"], "GET") => Call::Members {
            room: room(id)?,
            after: query
                .one("after")?
                .map(|id| user("after", &id))
                .transpose()?,
            limit: query.limit(MEMBERS_PAGE_MAX)?,
        },
        (["rooms", _, "members"], _) => return Err(Problem::wrong_method("GET")),
        (["rooms", id, "members", member], "PUT") => Call::AddMember {
            room: room(id)?,
            member: user("the user in the path", member)?,
        },
        (["rooms", id, "members", member], "DELETE") => Call::RemoveMember {
            room: room(id)?,
            member: user("the user in the path", member)?,
        },
        (["rooms", _, "members", _], _) => return Err(Problem::wrong_method("PUT, DELETE")),
        (["rooms", id, "messages"], "POST") => Call::Publish { room: room(id)? },
        (["rooms", id, "messages"], "GET") => {
            let (direction, anchor) = query.anchor()?;
            Call::History {
                room: room(id)?,
                direction,
                anchor,
                limit: query.limit(PAGE_EVENTS_MAX)?,
            }
        }
        (["rooms", _, "messages"], _) => return Err(Problem::wrong_method("GET, POST")),
        (["presence"], "GET") => Call::Presence {
            users: query.users()?,
        },
        (["presence"], _) => return Err(Problem::wrong_method("GET")),
        (["users", id, "sessions"], "DELETE") => Call::EndSessions {
            user: user("the user in the path", id)?,
        },
        (["users", _, "sessions"], _) => return Err(Problem::wrong_method("DELETE")),
        _ => match change_call(method, path)? {
            Some(call) => Call::Changes(call),
            None => Call::Roles(role_call(method, path, query)?),
        },
    })
}

/// `None`: it is no path of these.
fn change_call(method: &Method, path: &[&str]) -> Result<Option<ChangeCall>, Problem> {
    let take = |id: &str, whom: &str, measure| {
        Ok(Some(ChangeCall::Take {
            room: room(id)?,
            user: user("the user in the path", whom)?,
            measure,
        }))
    };
    match (path, method.as_str()) {
        (["rooms", id], "PATCH") => Ok(Some(ChangeCall::Room { room: room(id)? })),
        (["rooms", id, "messages", at], "PUT") => Ok(Some(ChangeCall::Edit {
            room: room(id)?,
            target: seq(at)?,
        })),
        (["rooms", id, "messages", at], "DELETE") => Ok(Some(ChangeCall::Delete {
            room: room(id)?,
            target: seq(at)?,
        })),
        (["rooms", id, "invitations", whom], "PUT") => take(id, whom, Measure::Invite),
        (["rooms", id, "invitations", whom], "DELETE") => take(id, whom, Measure::Uninvite),
        (["rooms", id, "bans", whom], "PUT") => take(id, whom, Measure::Ban),
        (["rooms", id, "bans", whom], "DELETE") => take(id, whom, Measure::Unban),
        (["rooms", id, "mutes", whom], "PUT") => take(id, whom, Measure::Mute),
        (["rooms", id, "mutes", whom], "DELETE") => take(id, whom, Measure::Unmute),
        (["rooms", _, "messages" | "invitations" | "bans" | "mutes", _], _) => {
            Err(Problem::wrong_method("PUT, DELETE"))
        }
        _ => Ok(None),
    }
}

fn role_call(method: &Method, path: &[&str], query: &mut Query) -> Result<RoleCall, Problem> {
    let target = |kind: &str, whom: &str| match kind {
        "roles" => Ok(OverwriteTarget::Role(roles::role(whom)?)),
        "users" => Ok(OverwriteTarget::User(user("the user in the path", whom)?)),
        _ => Err(no_route()),
    };
    Ok(match (path, method.as_str()) {
        (["roles"], "GET") => RoleCall::List,
        (["roles"], _) => return Err(Problem::wrong_method("GET")),
        (["roles", number], "PUT") => RoleCall::Set {
            role: roles::role(number)?,
        },
        (["roles", number], "DELETE") => RoleCall::Remove {
            role: roles::role(number)?,
        },
        (["roles", _], _) => return Err(Problem::wrong_method("PUT, DELETE")),
        (["policy"], "PUT") => RoleCall::Policy,
        (["policy"], _) => return Err(Problem::wrong_method("PUT")),
        (["users", id, "roles"], "GET") => RoleCall::Of {
            user: user("the user in the path", id)?,
        },
        (["users", id, "roles"], "PUT") => RoleCall::Give {
            user: user("the user in the path", id)?,
        },
        (["users", _, "roles"], _) => return Err(Problem::wrong_method("GET, PUT")),
        (["rooms", id, "overwrites"], "GET") => RoleCall::Overwrites { room: room(id)? },
        (["rooms", _, "overwrites"], _) => return Err(Problem::wrong_method("GET")),
        (["rooms", id, "overwrites", kind, whom], "PUT") => RoleCall::Overwrite {
            room: room(id)?,
            target: target(kind, whom)?,
        },
        (["rooms", id, "overwrites", kind, whom], "DELETE") => RoleCall::Clear {
            room: room(id)?,
            target: target(kind, whom)?,
        },
        (["rooms", _, "overwrites", "roles" | "users", _], _) => {
            return Err(Problem::wrong_method("PUT, DELETE"));
        }
        (["explain"], "GET") => RoleCall::Explain {
            room: query.one("room")?.map(|id| room(&id)).transpose()?,
            user: query
                .one("user")?
                .map(|id| user("user", &id))
                .transpose()?
                .ok_or_else(|| Problem::field("name the user: ?user=ada"))?,
            permission: query
                .one("permission")?
                .map(|name| roles::permission(&name))
                .transpose()?
                .ok_or_else(|| Problem::field("name the permission: ?permission=send"))?,
        },
        (["explain"], _) => return Err(Problem::wrong_method("GET")),
        _ => return Err(no_route()),
    })
}

fn no_route() -> Problem {
    Problem::http(StatusCode::NOT_FOUND, "there is nothing at this path")
}

pub(super) fn room(id: &str) -> Result<RoomId, Problem> {
    RoomId::new(id).map_err(|wrong| invalid("the room id", wrong))
}

/// The place of an event, as it stands in a path.
fn seq(text: &str) -> Result<Seq, Problem> {
    number(text, INTEGER_MAX)
        .map(Seq)
        .ok_or_else(|| Problem::field("the seq in the path is no whole number"))
}

/// A plain number up to `max`.
fn number(text: &str, max: u64) -> Option<u64> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok();
    number.filter(|number| is_plain && *number <= max)
}

fn user(what: &str, id: &str) -> Result<UserId, Problem> {
    UserId::new(id).map_err(|wrong| invalid(what, wrong))
}

fn invalid(what: &str, wrong: InvalidId) -> Problem {
    Problem::field(format!("{what} {wrong}"))
}

/// The parameters of a query, taken out one by one: what is left was not meant for this path.
struct Query(Vec<(String, String)>);

impl Query {
    fn parse(query: &str) -> Result<Self, Problem> {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((
                decoded(name, "the query", Plus::Space)?,
                decoded(value, "the query", Plus::Space)?,
            ))
        });
        Ok(Self(pairs.collect::<Result<_, Problem>>()?))
    }

    fn all(&mut self, name: &str) -> Vec<String> {
        let taken = self.0.extract_if(.., |(found, _)| found == name);
        taken.map(|(_, value)| value).collect()
    }

    fn one(&mut self, name: &str) -> Result<Option<String>, Problem> {
        let mut values = self.all(name);
        if values.len() > 1 {
            return Err(Problem::field(format!("{name} is there more than once")));
        }
        Ok(values.pop())
    }

    fn number(&mut self, name: &str, max: u64) -> Result<Option<u64>, Problem> {
        let Some(text) = self.one(name)? else {
            return Ok(None);
        };
        let wrong = || Problem::field(format!("{name} is no whole number up to {max}"));
        number(&text, max).map(Some).ok_or_else(wrong)
    }

    fn limit(&mut self, max: usize) -> Result<u32, Problem> {
        let limit = self.number("limit", max as u64)?;
        match limit.map(u32::try_from) {
            None => Ok(LIMIT_DEFAULT),
            Some(Ok(limit)) if limit > 0 => Ok(limit),
            Some(_) => Err(Problem::field(format!("limit is not from 1 to {max}"))),
        }
    }

    fn anchor(&mut self) -> Result<(Direction, Option<Seq>), Problem> {
        let before = self.number("before", INTEGER_MAX)?;
        let after = self.number("after", INTEGER_MAX)?;
        match (before, after) {
            (before, None) => Ok((Direction::Before, before.map(Seq))),
            (None, after) => Ok((Direction::After, after.map(Seq))),
            (Some(_), Some(_)) => Err(Problem::field("either before or after, not both")),
        }
    }

    fn users(&mut self) -> Result<Vec<UserId>, Problem> {
        let ids = self.all("user");
        if ids.is_empty() || ids.len() > WATCHED_USERS_MAX {
            let max = WATCHED_USERS_MAX;
            return Err(Problem::field(format!(
                "name 1 to {max} users: ?user=a&user=b"
            )));
        }
        ids.iter().map(|id| user("user", id)).collect()
    }

    fn end(self) -> Result<(), Problem> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => Err(Problem::field(format!(
                "{:?} means nothing here",
                name.chars().take(40).collect::<String>()
            ))),
        }
    }
}

#[derive(Clone, Copy)]
enum Plus {
    Itself,
    /// As forms and `URLSearchParams` write it.
    Space,
}

/// Percent-decoded, to UTF-8 (RFC 3986, 2.1). What is no encoding is refused, not guessed at.
fn decoded(text: &str, place: &str, plus: Plus) -> Result<String, Problem> {
    let wrong = || Problem::malformed(format!("{place} is not percent-encoded UTF-8"));
    let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match (byte, plus) {
            (b'%', _) => {
                let (high, low) = (digit(rest.next()), digit(rest.next()));
                let byte = high.zip(low).map(|(high, low)| high * 16 + low);
                byte.and_then(|byte| u8::try_from(byte).ok())
                    .ok_or_else(wrong)?
            }
            (b'+', Plus::Space) => b' ',
            (byte, _) => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(method: &str, path: &str) -> Result<Route, Problem> {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let (path, query) = path
            .split_once('?')
            .map_or((path, None), |(path, query)| (path, Some(query)));
        Route::parse(&method, &format!("{PREFIX}{path}"), query)
    }

    fn id(room: &str) -> RoomId {
        RoomId::new(room).unwrap()
    }

    fn user(id: &str) -> UserId {
        UserId::new(id).unwrap()
    }

    #[test]
    fn ids_with_any_character_are_one_segment() {
        let route = parse("PUT", "t/rooms/a%2Fb%20%C3%A9%25+/members/%3F%23?as=x+y%2B").unwrap();
        assert_eq!(
            route,
            Route {
                tenant: "t".into(),
                acting: Some(user("x y+")),
                call: Call::AddMember {
                    room: id("a/b é%+"),
                    member: user("?#")
                },
            }
        );
        let dots = parse("GET", "t/rooms/..").unwrap();
        assert_eq!(dots.call, Call::Room { room: id("..") });
    }

    #[test]
    fn what_is_no_encoding_is_refused() {
        for path in [
            "t/rooms/%",
            "t/rooms/%2",
            "t/rooms/%zz",
            "t/rooms/%ff",
            "t/rooms/a?as=%+1",
        ] {
            let problem = parse("GET", path).unwrap_err();
            let expected = if path.contains('?') {
                "the query"
            } else {
                "the path"
            };
            assert_eq!(
                problem,
                Problem::malformed(format!("{expected} is not percent-encoded UTF-8")),
                "{path}"
            );
        }
        for path in [
            "t/rooms/%00",
            "t/rooms/",
            "t/rooms/a?as=",
            "t/rooms/a?as=%0a",
        ] {
            let problem = parse("GET", path).unwrap_err();
            assert!(
                format!("{problem:?}").contains("InvalidField"),
                "{path}: {problem:?}"
            );
        }
    }

    #[test]
    fn every_path_names_its_methods() {
        for (path, allowed) in [
            ("t/rooms", "POST"),
            ("t/rooms/a", "GET, PATCH"),
            ("t/rooms/a/messages/7", "PUT, DELETE"),
            ("t/rooms/a/invitations/b", "PUT, DELETE"),
            ("t/rooms/a/bans/b", "PUT, DELETE"),
            ("t/rooms/a/mutes/b", "PUT, DELETE"),
            ("t/rooms/a/members", "GET"),
            ("t/rooms/a/members/b", "PUT, DELETE"),
            ("t/rooms/a/messages", "GET, POST"),
            ("t/presence", "GET"),
            ("t/users/a/sessions", "DELETE"),
            ("t/roles", "GET"),
            ("t/roles/7", "PUT, DELETE"),
            ("t/policy", "PUT"),
            ("t/users/a/roles", "GET, PUT"),
            ("t/rooms/a/overwrites", "GET"),
            ("t/rooms/a/overwrites/roles/7", "PUT, DELETE"),
            ("t/rooms/a/overwrites/users/b", "PUT, DELETE"),
            ("t/explain", "GET"),
        ] {
            let refused = parse("TRACE", path).unwrap_err();
            assert_eq!(refused, Problem::wrong_method(allowed), "{path}");
            for method in allowed.split(", ") {
                let query = match path {
                    "t/presence" => "?user=a",
                    "t/explain" => "?user=a&permission=send",
                    _ => "",
                };
                assert!(parse(method, &format!("{path}{query}")).is_ok(), "{path}");
            }
        }
        for path in [
            "",
            "t",
            "t/",
            "t/rooms/a/b",
            "t/rooms/a/members/b/c",
            "t/users/a",
            "t/rooms/a/overwrites/roles",
            "t/rooms/a/overwrites/x/7",
            "t/rooms/a/bans",
            "t/x",
        ] {
            assert_eq!(parse("GET", path), Err(no_route()), "{path}");
        }
    }

    #[test]
    fn numbers_and_lists_keep_to_their_bounds() {
        let history = |query: &str| match parse("GET", &format!("t/rooms/a/messages?{query}")) {
            Ok(Route {
                call:
                    Call::History {
                        direction,
                        anchor,
                        limit,
                        ..
                    },
                ..
            }) => Some((direction, anchor, limit)),
            _ => None,
        };
        let default = LIMIT_DEFAULT;
        assert_eq!(history(""), Some((Direction::Before, None, default)));
        assert_eq!(
            history("before=7&limit=3"),
            Some((Direction::Before, Some(Seq(7)), 3))
        );
        assert_eq!(
            history("after=0"),
            Some((Direction::After, Some(Seq(0)), default))
        );
        let most = format!("limit={}", PAGE_EVENTS_MAX);
        assert!(history(&most).is_some());
        for wrong in [
            "limit=0",
            &format!("limit={}", PAGE_EVENTS_MAX + 1),
            "limit=+1",
            "limit=",
            "limit=1&limit=2",
            "before=1&after=1",
            "before=-1",
            "before=9007199254740992",
            "before=99999999999999999999",
            "befor=1",
        ] {
            assert_eq!(history(wrong), None, "{wrong}");
        }
        assert!(parse("GET", "t/presence").is_err());
        let many = vec!["user=a"; WATCHED_USERS_MAX + 1].join("&");
        assert!(parse("GET", &format!("t/presence?{many}")).is_err());
        assert!(parse("DELETE", "t/users/a/sessions?as=b").is_err());
        for wrong in ["x", "-1", "+1", "9007199254740992", ""] {
            assert!(
                parse("PUT", &format!("t/rooms/a/messages/{wrong}")).is_err(),
                "{wrong}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn any_id_survives_its_encoding(room in "[^\\p{Cc}]{1,16}", as_user in "[^\\p{Cc}]{1,16}") {
            let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
            let path = format!("t/rooms/{}?as={}", encode(&room), encode(&as_user));
            let route = parse("GET", &path).unwrap();
            assert_eq!(route.call, Call::Room { room: id(&room) });
            assert_eq!(route.acting, Some(user(&as_user)));
        }

        #[test]
        fn any_path_is_read_or_refused(path in "[ -~]{0,60}") {
            let _ = parse("GET", &path);
        }
    }
}
