//! Fields that are wrong in a frame that is known.

use super::{Invalid, field, hello};

#[expect(
    clippy::too_many_lines,
    reason = "a list of examples, one after another"
)]
pub(super) fn fields() -> Vec<Invalid> {
    let key = "c4 10 01 9b 76 da a8 00 70 00 80 01 02 03 04 05 06 07";
    let long_title = format!("95 10 01 {key} a1 72 da 01 01 {}", "61 ".repeat(257));
    let long_room = format!("94 11 03 d9 41 {} c0", "72 ".repeat(65));
    let long_name = format!("95 01 01 a1 74 92 01 d9 41 {} a1 64", "75 ".repeat(65));
    let watch_twice_nobody = "93 17 0d 92 a3 62 65 6e a0";
    vec![
        field(
            "field_missing",
            "A leave without its room.",
            "92 12 05",
            5,
            (2, "room"),
        ),
        field(
            "field_nil",
            "A leave of nil.",
            "93 12 05 c0",
            5,
            (2, "room"),
        ),
        field(
            "field_wrong_type",
            "A leave of a text.",
            "93 12 05 a1 37",
            5,
            (2, "room"),
        ),
        field(
            "field_float",
            "A leave of 7.0.",
            "93 12 05 ca 40 e0 00 00",
            5,
            (2, "room"),
        ),
        field(
            "field_negative",
            "A leave of -1.",
            "93 12 05 ff",
            5,
            (2, "room"),
        ),
        field(
            "field_extension",
            "A leave of an extension.",
            "93 12 05 d4 00 07",
            5,
            (2, "room"),
        ),
        field(
            "field_too_large",
            "A room of 2^32.",
            "93 12 05 cf 00 00 00 01 00 00 00 00",
            5,
            (2, "room"),
        ),
        field(
            "id_missing",
            "A leave without its id.",
            "91 12",
            None,
            (1, "id"),
        ),
        field(
            "id_nil",
            "A leave whose id is nil.",
            "93 12 c0 07",
            None,
            (1, "id"),
        ),
        field(
            "key_short",
            "A key of 15 bytes.",
            &format!("95 13 06 c4 0f {} 07 a1 61", "00 ".repeat(15)),
            6,
            (2, "key"),
        ),
        field(
            "key_text",
            "A key that is a text.",
            &format!("95 13 06 b0 {} 07 a1 61", "61 ".repeat(16)),
            6,
            (2, "key"),
        ),
        field(
            "title_too_long",
            "A title of 257 bytes.",
            &long_title,
            1,
            (4, "title"),
        ),
        field(
            "room_id_empty",
            "A room id of no bytes.",
            "94 11 03 a0 c0",
            3,
            (2, "room"),
        ),
        field(
            "room_id_too_long",
            "A room id of 65 bytes.",
            &long_room,
            3,
            (2, "room"),
        ),
        field(
            "room_id_control",
            "A room id with a line feed.",
            "94 11 03 a2 61 0a c0",
            3,
            (2, "room"),
        ),
        field(
            "resume_epoch_zero",
            "An epoch of 0.",
            "94 11 03 a1 72 92 00 01",
            3,
            (3, "resume.epoch"),
        ),
        field(
            "resume_seq_missing",
            "A resume without seq.",
            "94 11 03 a1 72 91 01",
            3,
            (3, "resume.seq"),
        ),
        field(
            "history_limit_zero",
            "A page of nothing.",
            "96 14 07 07 01 00 00",
            7,
            (5, "limit"),
        ),
        field(
            "history_limit_too_large",
            "A page of 101.",
            "96 14 07 07 01 00 65",
            7,
            (5, "limit"),
        ),
        field(
            "history_direction",
            "No such direction.",
            "96 14 07 07 63 00 01",
            7,
            (3, "direction"),
        ),
        field(
            "presence_offline",
            "A device cannot say that it is offline.",
            "93 16 0b 00",
            11,
            (2, "state"),
        ),
        field(
            "watch_empty_user",
            "The second user has no name.",
            watch_twice_nobody,
            13,
            (2, "users.user"),
        ),
        field(
            "members_limit_too_large",
            "A page of 257.",
            "95 18 0f 07 cd 01 01 c0",
            15,
            (3, "limit"),
        ),
        hello(
            "hello_tenant_upper_case",
            "Tenant names are lower case.",
            "95 01 01 a1 54 92 01 a1 75 a1 64",
            (2, "tenant"),
        ),
        hello(
            "hello_auth_unknown",
            "No such way to authenticate.",
            "95 01 01 a1 74 92 03 a1 75 a1 64",
            (3, "auth.kind"),
        ),
        hello(
            "hello_name_too_long",
            "A guest name of 65 bytes.",
            &long_name,
            (3, "auth.name"),
        ),
    ]
}
