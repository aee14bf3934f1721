/**
 * Error and close codes, and what their ranges say to do: enough to act on codes of later versions.
 * @module
 */

export const ERRORS = Object.freeze({
    malformed: 1000,
    unknown_kind: 1001,
    invalid_field: 1002,
    unexpected_frame: 1003,
    unsupported_version: 1004,
    room_not_found: 1100,
    room_exists: 1101,
    key_conflict: 1102,
    tenant_not_found: 1103,
    too_many: 1104,
    message_not_found: 1105,
    not_here: 1106,
    role_not_found: 1107,
    overloaded: 2000,
    storage_full: 2001,
    storage_failed: 2002,
    shutting_down: 2003,
    too_fast: 2004,
    unauthenticated: 3000,
    session_expired: 3001,
    forbidden: 4000,
    not_member: 4001,
    banned: 4002,
    muted: 4003,
    archived: 4004,
    apart: 4005,
});

export const CLOSES = Object.freeze({
    shutting_down: 4000,
    tenant_restarted: 4001,
    idle: 4002,
    too_slow: 4003,
    overloaded: 4004,
    tenant_unavailable: 4006,
    hello_timeout: 4100,
    unauthenticated: 4101,
    session_expired: 4102,
    protocol: 4200,
    message_too_big: 4201,
    revoked: 4202,
    tenant_not_found: 4203,
    unsupported_version: 4204,
    replaced: 4205,
});

/** @typedef {'fix' | 'retry' | 'reauthenticate' | 'stop'} Advice */

/** What to do about a request that was refused with this code. @returns {Advice} */
export function adviceOfError(code) {
    if (code >= 1000 && code < 2000) return 'fix';
    if (code >= 2000 && code < 3000) return 'retry';
    if (code >= 3000 && code < 4000) return 'reauthenticate';
    return 'stop';
}

/** What to do after a connection was closed with this code. @returns {Advice} */
export function adviceOfClose(code) {
    // No proof was looked at: the hello did not come in time.
    if (code === CLOSES.hello_timeout) return 'retry';
    if (code >= 4100 && code < 4200) return 'reauthenticate';
    if (code >= 4200 && code < 4300) return 'stop';
    return 'retry';
}
