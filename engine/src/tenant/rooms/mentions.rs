//! Whom a text mentions: `<@ID>` a user, `<@&NUMBER>` a role, `<!room>` everybody in the room.
//!
//! The server reads the text, so that all apps and all counts agree on it. What names nobody is text.

use homeroom_protocol::{
    AllowedMentions, Mentions, RoleId, UserId,
    limit::{MENTIONED_ROLES_MAX, MENTIONED_USERS_MAX, USER_ID_BYTES_MAX},
};

/// What a text may mention.
pub(crate) struct Readers<U, R, M> {
    /// The member with this id.
    pub(crate) member: U,
    /// Whether there is such a role.
    pub(crate) role: R,
    /// Whether the author may mention many at once; asked only when the text does.
    pub(crate) may_many: M,
}

/// One mention as it stands in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named<'a> {
    User(&'a str),
    Role(RoleId),
    Room,
}

/// Whom a text mentions, of those it may.
pub(crate) fn read<'a, U, R, M>(
    text: &str,
    allowed: Option<&AllowedMentions>,
    readers: Readers<U, R, M>,
) -> Mentions
where
    U: Fn(&str) -> Option<&'a UserId>,
    R: Fn(RoleId) -> bool,
    M: FnOnce() -> bool,
{
    let mut mentions = Mentions::default();
    for named in named(text) {
        match named {
            Named::User(name) => {
                let Some(user) = (readers.member)(name) else {
                    continue;
                };
                let users = &mut mentions.users;
                let may = allowed
                    .and_then(|allowed| allowed.users.as_ref())
                    .is_none_or(|users| users.contains(user));
                if may && users.len() < MENTIONED_USERS_MAX && !users.contains(user) {
                    users.push(user.clone());
                }
            }
            Named::Role(role) => {
                let roles = &mut mentions.roles;
                let may = allowed.is_none_or(|allowed| allowed.roles) && (readers.role)(role);
                if may && roles.len() < MENTIONED_ROLES_MAX && !roles.contains(&role) {
                    roles.push(role);
                }
            }
            Named::Room => mentions.room |= allowed.is_none_or(|allowed| allowed.room),
        }
    }
    if (mentions.room || !mentions.roles.is_empty()) && !(readers.may_many)() {
        mentions.roles.clear();
        mentions.room = false;
    }
    mentions
}

/// The mentions in a text, in their order. An id that holds `<` or `>` cannot be mentioned.
fn named(text: &str) -> impl Iterator<Item = Named<'_>> {
    text.match_indices('<').filter_map(|(at, _)| {
        let behind = &text[at + 1..];
        // So much is looked at for each: a long text costs no more than its length times a constant.
        let close = behind
            .bytes()
            .take(USER_ID_BYTES_MAX + 2)
            .position(|byte| byte == b'>' || byte == b'<')?;
        if behind.as_bytes()[close] == b'<' {
            return None;
        }
        let content = &behind[..close];
        if content == "!room" {
            return Some(Named::Room);
        }
        let name = content.strip_prefix('@')?;
        match name.strip_prefix('&') {
            Some(number) => number_of(number).map(|number| Named::Role(RoleId(number))),
            None => (!name.is_empty()).then_some(Named::User(name)),
        }
    })
}

/// Decimal digits alone, without leading zeros: each role is written in one way.
fn number_of(digits: &str) -> Option<u32> {
    let number: u32 = digits.parse().ok()?;
    (number.to_string() == digits).then_some(number)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn user(name: &str) -> UserId {
        UserId::new(name).unwrap()
    }

    fn members() -> BTreeSet<UserId> {
        ["ada", "bob", "@x", "a b", "Ω", "service:bot"]
            .map(user)
            .into()
    }

    fn read_as(text: &str, allowed: Option<&AllowedMentions>, may_many: bool) -> Mentions {
        let members = members();
        read(
            text,
            allowed,
            Readers {
                member: |name: &str| members.get(name),
                role: |role: RoleId| role.0 < 20,
                may_many: || may_many,
            },
        )
    }

    fn mentions(text: &str) -> Mentions {
        read_as(text, None, true)
    }

    fn users(names: &[&str]) -> Mentions {
        Mentions {
            users: names.iter().map(|name| user(name)).collect(),
            ..Mentions::default()
        }
    }

    #[test]
    fn members_are_named_once_each_and_in_order() {
        assert_eq!(mentions("<@bob>, <@ada>! <@bob>"), users(&["bob", "ada"]));
        assert_eq!(mentions("<@a b><@Ω><@@x>"), users(&["a b", "Ω", "@x"]));
    }

    #[test]
    fn who_is_no_member_and_what_is_no_mention_is_text() {
        for text in [
            "",
            "<",
            "<@",
            "<@>",
            "<@eve>",
            "<@ada",
            "@ada",
            "< @ada>",
            "<@ ada>",
            "<!Room>",
            "<!room",
            "<@&>",
            "<@&x>",
            "<@&99>",
            "<@&07>",
            "<@&+7>",
            "<@&99999999999>",
        ] {
            assert_eq!(mentions(text), Mentions::default(), "{text}");
        }
        let long = format!("<@{}>", "a".repeat(10_000));
        assert_eq!(mentions(&long), Mentions::default());
        assert_eq!(mentions("<@<@ada>>"), users(&["ada"]));
        assert_eq!(mentions("<<@ada>"), users(&["ada"]));
    }

    #[test]
    fn roles_and_the_room_need_the_permission() {
        let many = Mentions {
            users: vec![user("ada")],
            roles: vec![RoleId(7), RoleId(0)],
            room: true,
        };
        let text = "<@&7> <!room> <@ada> <@&0> <@&7>";
        assert_eq!(mentions(text), many);
        assert_eq!(read_as(text, None, false), users(&["ada"]));
    }

    #[test]
    fn the_author_can_take_mentions_out() {
        let text = "<@&7> <!room> <@ada> <@bob>";
        let none = AllowedMentions::default();
        assert_eq!(read_as(text, Some(&none), true), users(&["ada", "bob"]));
        let nobody = AllowedMentions {
            users: Some(Vec::new()),
            ..none.clone()
        };
        assert_eq!(read_as(text, Some(&nobody), true), Mentions::default());
        let some = AllowedMentions {
            users: Some(vec![user("bob")]),
            roles: true,
            room: false,
        };
        let expected = Mentions {
            roles: vec![RoleId(7)],
            ..users(&["bob"])
        };
        assert_eq!(read_as(text, Some(&some), true), expected);
    }

    #[test]
    fn no_more_are_mentioned_than_the_limits_say() {
        let everybody: BTreeSet<UserId> = (0..100).map(|n| user(&format!("u{n}"))).collect();
        let text: String = (0..100).map(|n| format!("<@u{n}><@&{n}>")).collect();
        let found = read(
            &text,
            None,
            Readers {
                member: |name: &str| everybody.get(name),
                role: |_: RoleId| true,
                may_many: || true,
            },
        );
        assert_eq!(found.users.len(), MENTIONED_USERS_MAX);
        assert_eq!(found.roles.len(), MENTIONED_ROLES_MAX);
        assert_eq!(found.users[31], user("u31"));
    }

    proptest! {
        /// Pieces that are mentions or are not, put together in any order, mention just what they say.
        #[test]
        fn a_text_mentions_what_its_pieces_mention(pieces in vec(0_usize..10, 0..40)) {
            const PIECES: [(&str, Option<&str>); 10] = [
                ("<@ada>", Some("ada")), ("<@bob>", Some("bob")), ("<@a b>", Some("a b")),
                ("<@eve>", None), ("<@&x>", None), (" x ", None), ("<", None), (">", None),
                ("é", None), ("<@Ω>", Some("Ω")),
            ];
            let text: String = pieces.iter().map(|&at| PIECES[at].0).collect();
            let mut expected: Vec<&str> = Vec::new();
            for name in pieces.iter().filter_map(|&at| PIECES[at].1) {
                if !expected.contains(&name) {
                    expected.push(name);
                }
            }
            prop_assert_eq!(mentions(&text), users(&expected));
        }

        #[test]
        fn any_text_is_read_and_mentions_members_alone(text in ".{0,200}") {
            let found = mentions(&text);
            let members = members();
            prop_assert!(found.users.iter().all(|user| members.contains(user)));
            for user in &found.users {
                let mention = format!("<@{user}>");
                prop_assert!(text.contains(&mention));
            }
        }
    }
}
