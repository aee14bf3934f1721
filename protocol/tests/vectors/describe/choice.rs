//! The names of choices, as `SPEC.md` has them.

use homeroom_protocol::{
    Availability, Cause, DeviceState, Direction, Durability, Measure, NotificationLevel,
    Permission, PlaceChange, Presence, RemovedReason, ResetReason, RoomKind, Standing, Stream,
};

use super::json::text;

/// A function for each choice, and a list of all names of a choice in the order of their numbers.
macro_rules! names {
    ($($function:ident $all:ident $choice:ident { $($variant:ident $name:literal),+ $(,)? })+) => {
        $(
            pub(crate) fn $function(choice: $choice) -> String {
                text(match choice {
                    $($choice::$variant => $name),+
                })
            }

            pub(crate) const $all: &[&str] = &[$($name),+];
        )+
    };
}

names! {
    direction DIRECTIONS Direction { Before "before", After "after", Around "around" }
    device_state DEVICE_STATES DeviceState { Active "active", Idle "idle" }
    presence PRESENCES Presence {
        Offline "offline", Active "active", Idle "idle", Away "away", Busy "busy",
    }
    availability AVAILABILITIES Availability {
        Automatic "automatic", Away "away", Busy "busy", Invisible "invisible",
    }
    reset_reason RESET_REASONS ResetReason {
        EpochChanged "epoch_changed", Trimmed "trimmed", Ahead "ahead", Unreadable "unreadable",
        NotKept "not_kept",
    }
    removed_reason REMOVED_REASONS RemovedReason {
        Left "left", Removed "removed", Banned "banned", Hidden "hidden",
    }
    stream STREAMS Stream { Personal "personal", Reports "reports" }
    room_kind ROOM_KINDS RoomKind {
        Open "open", Private "private", Direct "direct", Announcement "announcement",
        Personal "personal", Moderation "moderation",
    }
    durability DURABILITIES Durability { Synced "synced", None "none" }
    measure MEASURES Measure {
        Invite "invite", Uninvite "uninvite", Add "add", Remove "remove", Ban "ban", Unban "unban",
        Mute "mute", Unmute "unmute",
    }
    level LEVELS NotificationLevel { All "all", Mentions "mentions", Nothing "nothing" }
    standing STANDINGS Standing { Member "member", Invited "invited" }
    place_change PLACE_CHANGES PlaceChange {
        Joined "joined", Left "left", Added "added", Removed "removed", Invited "invited",
        Uninvited "uninvited", Banned "banned", Unbanned "unbanned",
    }
    cause CAUSES Cause {
        Nothing "nothing", Role "role", EveryoneHere "everyone_here", RoleHere "role_here",
        UserHere "user_here", Prohibited "prohibited", NoView "no_view", NotMember "not_member",
        Banned "banned", Muted "muted", Archived "archived", Kind "kind", Apart "apart",
    }
    permission PERMISSIONS Permission {
        View "view", Join "join", Send "send", SendInThreads "send_in_threads", React "react",
        Attach "attach", Signal "signal", MentionMany "mention_many", Pin "pin",
        DeleteAny "delete_any", Invite "invite", Add "add", Kick "kick", Ban "ban", Mute "mute",
        ManageRoom "manage_room", ManageOverwrites "manage_overwrites",
        SkipSlowMode "skip_slow_mode", CreateRooms "create_rooms", Direct "direct",
        ManageRoles "manage_roles", Moderate "moderate",
    }
}
