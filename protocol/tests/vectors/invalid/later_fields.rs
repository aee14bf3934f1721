//! Wrong fields of what came to the protocol later: the numbers of the files before stay.

use super::{Invalid, field};

/// Fields of requests that came after the first ones.
#[expect(
    clippy::too_many_lines,
    reason = "a list of examples, one after another"
)]
pub(super) fn later_fields() -> Vec<Invalid> {
    let key = "c4 10 01 9b 76 da a8 00 70 00 80 01 02 03 04 05 06 07";
    // A send, and the fields behind its text.
    let send = |count: u8, rest: &str| format!("{:02x} 13 06 {key} 07 a1 61 {rest}", 0x90 | count);
    // A create without a title, and the fields behind that.
    let create =
        |count: u8, rest: &str| format!("{:02x} 10 01 {key} a1 72 c0 {rest}", 0x90 | count);
    let attachments = format!("c0 c0 c0 c0 dc 00 11 {}", "a1 66 ".repeat(17));
    let changes = format!("95 23 08 {key} 07 99 {}", "92 07 c3 ".repeat(9));
    vec![
        field(
            "send_thread_text",
            "A thread that is a text.",
            &send(6, "a1 37"),
            6,
            (5, "thread"),
        ),
        field(
            "send_allowed_mentions_user",
            "An allowed mention of nobody.",
            &send(8, "c0 c0 91 91 a0"),
            6,
            (7, "allowed_mentions.users.user"),
        ),
        field(
            "send_custom_kind",
            "A custom part without a kind.",
            &send(9, "c0 c0 c0 92 a0 c4 00"),
            6,
            (8, "custom.kind"),
        ),
        field(
            "send_custom_body_text",
            "A custom part whose body is a text.",
            &send(9, "c0 c0 c0 92 a1 61 a1 62"),
            6,
            (8, "custom.body"),
        ),
        field(
            "send_too_many_attachments",
            "Seventeen attachments.",
            &send(10, &attachments),
            6,
            (9, "attachments"),
        ),
        field(
            "send_quiet_number",
            "Neither quiet nor not.",
            &send(11, "c0 c0 c0 c0 90 01"),
            6,
            (10, "quiet"),
        ),
        field(
            "create_kind",
            "No such kind of room.",
            &create(6, "63"),
            1,
            (5, "room_kind"),
        ),
        field(
            "create_retention",
            "No such way to keep.",
            &create(9, "01 c0 c4 00 91 63"),
            1,
            (8, "retention.kind"),
        ),
        field(
            "create_retention_no_days",
            "Days to keep, but not how many.",
            &create(9, "01 c0 c4 00 91 02"),
            1,
            (8, "retention.days"),
        ),
        field(
            "create_retention_zero_days",
            "Nothing is kept for no days.",
            &create(9, "01 c0 c4 00 92 02 00"),
            1,
            (8, "retention.days"),
        ),
        field(
            "create_slow_mode",
            "A slow mode of more than a day.",
            &create(11, "01 c0 c4 00 c0 01 ce 05 26 5c 01"),
            1,
            (10, "slow_mode_ms"),
        ),
        field(
            "create_member_empty",
            "A first member without a name.",
            &create(13, "01 c0 c4 00 c0 01 00 c2 91 a0"),
            1,
            (12, "members.user"),
        ),
        field(
            "edit_target_missing",
            "An edit of nothing.",
            &format!("94 19 07 {key} 07"),
            7,
            (4, "target"),
        ),
        field(
            "react_emoji_empty",
            "A reaction with nothing.",
            &format!("97 1b 07 {key} 07 2a a0 c3"),
            7,
            (5, "emoji"),
        ),
        field(
            "mark_seq_missing",
            "A mark that says not how far.",
            "95 1e 09 07 c0 00",
            9,
            (5, "seq"),
        ),
        field(
            "mark_all_room",
            "The second room is a text.",
            "93 1f 09 92 07 a1 38",
            9,
            (2, "rooms.room"),
        ),
        field(
            "list_rooms_limit",
            "A page of 513 rooms.",
            "93 22 09 cd 02 01",
            9,
            (2, "limit"),
        ),
        field(
            "change_room_unknown",
            "No such thing can be changed.",
            &format!("95 23 08 {key} 07 91 92 63 c3"),
            8,
            (4, "changes.kind"),
        ),
        field(
            "change_room_too_many",
            "Nine changes.",
            &changes,
            8,
            (4, "changes"),
        ),
        field(
            "moderate_measure",
            "No such measure.",
            &format!("96 24 08 {key} 07 a1 75 63"),
            8,
            (5, "measure"),
        ),
        field(
            "overwrite_target",
            "An overwrite for something that is no role and no user.",
            &format!("97 25 08 {key} 07 92 63 01 00 00"),
            8,
            (4, "target.kind"),
        ),
        field(
            "overwrite_permissions",
            "A permission that is not known.",
            &format!("97 25 08 {key} 07 92 01 01 ce 80 00 00 00 00"),
            8,
            (5, "deny"),
        ),
        field(
            "level_zero",
            "No such level.",
            "94 27 08 07 00",
            8,
            (3, "level"),
        ),
        field(
            "stream_unknown",
            "No such stream.",
            "93 29 08 63",
            8,
            (2, "stream"),
        ),
        field(
            "status_availability",
            "No such availability.",
            "93 2b 08 63",
            8,
            (2, "availability"),
        ),
        field(
            "policy_pair_half",
            "A role that is kept apart from nothing.",
            "93 31 08 91 91 03",
            8,
            (2, "apart.to"),
        ),
        field(
            "explain_permission",
            "No such permission.",
            "95 32 08 c0 c0 63",
            8,
            (4, "permission"),
        ),
        field(
            "signal_name_empty",
            "A signal without a name carries no id.",
            "94 06 07 a0 c4 00",
            None,
            (2, "name"),
        ),
    ]
}
