//! What a back end says: the fields of a message, by their names for clients.

use homeroom_engine::protocol::{self, AllowedMentions, CustomKind, Seq, limit::INTEGER_MAX};
use serde::Deserialize;

use super::{from_hex, users};
use crate::http::api::problem::Problem;

/// The body of `POST messages` and of `PUT messages/{seq}`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::http::api) struct Draft {
    text: String,
    thread: Option<u64>,
    reply_to: Option<u64>,
    allowed_mentions: Option<Allowed>,
    custom: Option<Custom>,
    attachments: Vec<String>,
    quiet: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Allowed {
    users: Option<Vec<String>>,
    roles: bool,
    room: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Custom {
    kind: String,
    body: String,
}

impl Draft {
    /// A new message.
    pub(in crate::http::api) fn draft(self) -> Result<protocol::Draft, Problem> {
        Ok(protocol::Draft {
            text: self.text,
            thread: seq("thread", self.thread)?,
            reply_to: seq("reply_to", self.reply_to)?,
            allowed_mentions: self.allowed_mentions.map(Allowed::read).transpose()?,
            custom: self.custom.map(Custom::read).transpose()?,
            attachments: self.attachments,
            quiet: self.quiet,
        })
    }

    /// What takes the place of a message.
    pub(in crate::http::api) fn edited(self) -> Result<protocol::Draft, Problem> {
        if self.thread.is_some() || self.reply_to.is_some() || self.quiet {
            return Err(Problem::field(
                "thread, reply_to and quiet stay as they were: leave them out",
            ));
        }
        self.draft()
    }
}

fn seq(field: &str, number: Option<u64>) -> Result<Option<Seq>, Problem> {
    match number {
        Some(number) if number > INTEGER_MAX => {
            Err(Problem::field(format!("{field} is above {INTEGER_MAX}")))
        }
        number => Ok(number.map(Seq)),
    }
}

impl Allowed {
    fn read(self) -> Result<AllowedMentions, Problem> {
        let named = self.users.map(|named| users("allowed_mentions", &named));
        Ok(AllowedMentions {
            users: named.transpose()?,
            roles: self.roles,
            room: self.room,
        })
    }
}

impl Custom {
    fn read(self) -> Result<protocol::Custom, Problem> {
        let kind = CustomKind::new(&self.kind)
            .map_err(|wrong| Problem::field(format!("custom: the kind {wrong}")))?;
        let body = from_hex(&self.body)
            .ok_or_else(|| Problem::field("custom: the body is no even number of hex digits"))?;
        Ok(protocol::Custom { kind, body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Option<protocol::Draft> {
        serde_json::from_str::<Draft>(body).ok()?.draft().ok()
    }

    #[test]
    fn a_message_has_the_fields_that_clients_give_it() {
        let full = r#"{"text": "hi", "thread": 3, "reply_to": 4, "quiet": true,
            "allowed_mentions": {"users": ["ada"]}, "attachments": ["a"],
            "custom": {"kind": "poll", "body": "00FF"}}"#;
        let draft = read(full).unwrap();
        assert_eq!((draft.thread, draft.reply_to), (Some(Seq(3)), Some(Seq(4))));
        assert_eq!(draft.custom.unwrap().body, [0, 255]);
        let allowed = draft.allowed_mentions.unwrap();
        assert_eq!((allowed.users.unwrap().len(), allowed.room), (1, false));
        assert_eq!(read(r#"{"text": "hi"}"#), Some("hi".into()));
        for wrong in [
            r#"{"txt": "hi"}"#,
            r#"{"thread": 9007199254740992}"#,
            r#"{"custom": {"kind": "", "body": ""}}"#,
            r#"{"custom": {"kind": "poll", "body": "0"}}"#,
            r#"{"allowed_mentions": {"users": [""]}}"#,
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_edit_leaves_a_message_in_its_place() {
        let edited = |body: &str| serde_json::from_str::<Draft>(body).unwrap().edited();
        assert!(edited(r#"{"text": "hi"}"#).is_ok());
        for wrong in ["thread\": 3", "reply_to\": 3", "quiet\": true"] {
            assert!(edited(&format!("{{\"text\": \"hi\", \"{wrong}}}")).is_err());
        }
    }
}
