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
});

const encoder = new TextEncoder();

/** The bytes a text has on the wire, where all limits count bytes and not characters. */
export function bytesOf(text) {
    return encoder.encode(text).length;
}
