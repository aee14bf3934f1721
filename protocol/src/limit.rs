//! Every number a peer can hit, in one place. What happens at each limit is in `SPEC.md`.

/// Largest WebSocket message a client may send, in bytes of payload.
pub const CLIENT_MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Largest WebSocket message a server sends, in bytes of payload: a full history page, and room.
pub const SERVER_MESSAGE_BYTES_MAX: usize = 512 * 1024;
/// Largest frame a client may send before its hello is accepted, in bytes of payload.
pub const HELLO_BYTES_MAX: usize = 4 * 1024;
/// Most WebSocket frames one message may be cut into: empty ones would otherwise cost work for ever.
pub const FRAGMENTS_PER_MESSAGE_MAX: u16 = 256;
/// Most MessagePack values one WebSocket message may hold.
pub const FRAMES_PER_MESSAGE_MAX: usize = 256;
/// Deepest nesting of arrays and maps in one frame.
pub const DEPTH_MAX: usize = 8;
/// Most elements of all arrays and maps of one frame of a client together, map keys and values counted
/// apart.
pub const ELEMENTS_MAX: usize = 4 * 1024;
/// The same for a frame of a server: a page of rooms, marks of thousands of rooms.
pub const SERVER_ELEMENTS_MAX: usize = 64 * 1024;
/// Largest integer on the wire: 2^53 - 1, so that JavaScript numbers hold every one.
pub const INTEGER_MAX: u64 = (1 << 53) - 1;

/// Longest tenant name, in bytes.
pub const TENANT_NAME_BYTES_MAX: usize = 63;
/// Longest user id, in bytes of UTF-8.
pub const USER_ID_BYTES_MAX: usize = 64;
/// Longest room id, in bytes of UTF-8.
pub const ROOM_ID_BYTES_MAX: usize = 64;
/// Longest device id, in bytes of UTF-8.
pub const DEVICE_ID_BYTES_MAX: usize = 64;
/// Longest room title, in bytes of UTF-8.
pub const ROOM_TITLE_BYTES_MAX: usize = 256;
/// Longest message text, in bytes of UTF-8.
pub const MESSAGE_TEXT_BYTES_MAX: usize = 16 * 1024;
/// Longest custom part of a message, in bytes.
pub const CUSTOM_BYTES_MAX: usize = 16 * 1024;
/// Longest name of a kind of custom part, in bytes of UTF-8.
pub const CUSTOM_KIND_BYTES_MAX: usize = 64;
/// Most attachments of one message.
pub const ATTACHMENTS_MAX: usize = 16;
/// Longest reference to an attachment, in bytes of UTF-8.
pub const ATTACHMENT_BYTES_MAX: usize = 256;
/// Most users that one message mentions; those named later in its text are not mentioned.
pub const MENTIONED_USERS_MAX: usize = 32;
/// Most roles that one message mentions.
pub const MENTIONED_ROLES_MAX: usize = 8;
/// Most users in a list of allowed mentions.
pub const ALLOWED_MENTIONS_MAX: usize = 32;
/// Longest emoji, in bytes of UTF-8: the longest sequence of Unicode 16 has 35.
pub const EMOJI_BYTES_MAX: usize = 40;
/// Most different emoji on one message.
pub const REACTIONS_PER_MESSAGE_MAX: usize = 32;
/// Most users named with one emoji; the others are only counted.
pub const REACTION_USERS_MAX: usize = 3;
/// Most versions that one message has behind it.
pub const VERSIONS_PER_MESSAGE_MAX: u32 = 100;
/// Most pins of one room.
pub const PINS_PER_ROOM_MAX: usize = 64;
/// Longest room topic, in bytes of UTF-8.
pub const ROOM_TOPIC_BYTES_MAX: usize = 1024;
/// Longest metadata of a room, in bytes.
pub const ROOM_METADATA_BYTES_MAX: usize = 4 * 1024;
/// Most changes in one request to change a room.
pub const ROOM_CHANGES_MAX: usize = 8;
/// Most users named when a room is made.
pub const FIRST_MEMBERS_MAX: usize = 64;
/// Most days that a room can be told to keep.
pub const RETENTION_DAYS_MAX: u32 = 36_500;
/// Most messages that a room can be told to keep.
pub const RETENTION_MESSAGES_MAX: u32 = 10_000_000;
/// Longest slow mode, in ms: a day.
pub const SLOW_MODE_MS_MAX: u32 = 24 * 60 * 60 * 1000;
/// Most rooms in one page of one's rooms.
pub const ROOMS_PAGE_MAX: usize = 512;
/// Most rooms in one request to mark rooms as read.
pub const MARKED_ROOMS_MAX: usize = 512;
/// Longest status text, in bytes of UTF-8.
pub const STATUS_BYTES_MAX: usize = 128;
/// Longest name of a signal, in bytes of UTF-8.
pub const SIGNAL_NAME_BYTES_MAX: usize = 32;
/// Longest body of a signal, in bytes.
pub const SIGNAL_BYTES_MAX: usize = 1024;
/// Most signals in one push.
pub const SIGNALS_PER_PUSH_MAX: usize = 64;
/// Most users named as come or gone in one occupancy push.
pub const OCCUPANCY_USERS_MAX: usize = 64;
/// Longest name of a role, in bytes of UTF-8.
pub const ROLE_NAME_BYTES_MAX: usize = 64;
/// Most roles of a tenant.
pub const ROLES_MAX: usize = 256;
/// Most roles that one user is given.
pub const ROLES_PER_USER_MAX: usize = 32;
/// Most pairs of roles that a policy keeps apart.
pub const POLICY_PAIRS_MAX: usize = 256;
/// Longest reason that is given with a measure or a report, in bytes of UTF-8.
pub const REASON_BYTES_MAX: usize = 512;
/// Most reasons in an explanation of a permission.
pub const REASONS_MAX: usize = 64;
/// Longest token in a hello, in bytes.
pub const TOKEN_BYTES_MAX: usize = 2 * 1024;
/// Longest capability name, in bytes; a hello may list at most [`CAPABILITIES_MAX`].
pub const CAPABILITY_BYTES_MAX: usize = 32;
/// Most capabilities in a hello or a welcome.
pub const CAPABILITIES_MAX: usize = 32;
/// Longest explaining text in an error or a bye, in bytes of UTF-8.
pub const EXPLANATION_BYTES_MAX: usize = 512;

/// Most events in one history page.
pub const PAGE_EVENTS_MAX: usize = 100;
/// Most bytes of event bodies in one history page; a page always holds at least one event.
pub const PAGE_BYTES_MAX: usize = 256 * 1024;
/// Most users in one watch request, and most users one connection may watch.
pub const WATCHED_USERS_MAX: usize = 256;
/// Most users in one page of members.
pub const MEMBERS_PAGE_MAX: usize = 256;
/// Most users named in one typing frame; the rest is in its count.
pub const TYPING_USERS_MAX: usize = 8;

const _: () = assert!(MESSAGE_TEXT_BYTES_MAX < CLIENT_MESSAGE_BYTES_MAX);
const _: () = assert!(MESSAGE_TEXT_BYTES_MAX < PAGE_BYTES_MAX);
const _: () = assert!(TOKEN_BYTES_MAX < HELLO_BYTES_MAX);
const _: () = assert!(WATCHED_USERS_MAX * (USER_ID_BYTES_MAX + 2) < CLIENT_MESSAGE_BYTES_MAX);
const _: () = assert!(WATCHED_USERS_MAX < ELEMENTS_MAX);
const _: () = assert!(PAGE_BYTES_MAX + PAGE_EVENTS_MAX * 256 < SERVER_MESSAGE_BYTES_MAX);
