/**
 * Every number a peer can hit, in one place; `protocol/SPEC.md` says what happens at each.
 * @module
 */

export const LIMITS = Object.freeze({
    client_message_bytes_max: 65_536,
    server_message_bytes_max: 524_288,
    frames_per_message_max: 256,
    depth_max: 8,
    elements_max: 4096,
    server_elements_max: 65_536,
    tenant_name_bytes_max: 63,
    id_bytes_max: 64,
    room_title_bytes_max: 256,
    message_text_bytes_max: 16_384,
    token_bytes_max: 2048,
    capability_bytes_max: 32,
    capabilities_max: 32,
    page_events_max: 100,
    watched_users_max: 256,
    members_page_max: 256,
    rooms_page_max: 512,
    room_topic_bytes_max: 1024,
    room_metadata_bytes_max: 4096,
    custom_bytes_max: 16_384,
    custom_kind_bytes_max: 64,
    attachments_max: 16,
    attachment_bytes_max: 256,
    allowed_mentions_max: 32,
    emoji_bytes_max: 40,
    room_changes_max: 8,
    first_members_max: 64,
    retention_days_max: 36_500,
    retention_messages_max: 10_000_000,
    slow_mode_ms_max: 86_400_000,
    marked_rooms_max: 512,
    status_bytes_max: 128,
    signal_name_bytes_max: 32,
    signal_bytes_max: 1024,
    role_name_bytes_max: 64,
    roles_per_user_max: 32,
    policy_pairs_max: 256,
    reason_bytes_max: 512,
    permissions_max: 2 ** 22 - 1,
});

const encoder = new TextEncoder();

/** The bytes a text has on the wire, where all limits count bytes and not characters. */
export function bytesOf(text) {
    return encoder.encode(text).length;
}
