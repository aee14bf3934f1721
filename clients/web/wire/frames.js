/**
 * The frames of `protocol/SPEC.md` as one table, and the codec that reads it in both directions. A frame
 * is a plain object, `{ kind: 'send', id: 6, key: '…', room: 7, text: 'hi' }`, with the names and the
 * order of the specification; nil is `null`.
 * @module
 */

import { ERRORS } from './codes.js';
import { LIMITS } from './limits.js';
import { readMessage } from './reader.js';
import * as t from './types.js';
import { Writer } from './writer.js';

const PRESENCES = ['offline', 'active', 'idle'];
const RESETS = ['epoch_changed', 'trimmed', 'ahead', 'unreadable'];

const position = t.fields([['epoch', t.epoch], ['seq', t.uint]]);

const BODIES = {
    1: ['room_created', [['title', t.optional(t.text)]]],
    2: ['member_joined', []],
    3: ['member_left', []],
    4: ['member_added', [['member', t.text]]],
    5: ['member_removed', [['member', t.text]]],
    16: ['message', [['text', t.text]]],
};

/** What happened; a number of a later version is `unknown`. @type {t.Type} */
const body = {
    read: (value) => {
        if (!Array.isArray(value)) throw new t.FieldError('is not an array');
        const number = t.within('kind', 0, () => t.uint.read(value[0]));
        const known = BODIES[number];
        if (!known) return { kind: 'unknown', number };
        return { kind: known[0], ...t.readFields(known[1], value, 1) };
    },
    write: (writer, value) => {
        const found = Object.entries(BODIES).find(([, [name]]) => name === value.kind);
        const [number, table] = found ? [Number(found[0]), found[1][1]] : [value.number, []];
        writer.array(1 + table.length);
        writer.uint(number);
        t.writeFields(table, writer, value);
    },
};

/** `{ guest: name }` or `{ token }`. @type {t.Type} */
const auth = {
    read: (value) => {
        if (!Array.isArray(value)) throw new t.FieldError('is not an array');
        const number = t.within('kind', 0, () => t.uintIn(1, 2).read(value[0]));
        if (number === 1) return { guest: t.within('name', 1, () => t.id.read(value[1])) };
        return { token: t.within('token', 1, () => t.textUpTo(LIMITS.token_bytes_max).read(value[1])) };
    },
    write: (writer, value) => {
        writer.array(2);
        writer.uint(value.guest === undefined ? 2 : 1);
        writer.text(value.guest ?? value.token);
    },
};

const event = t.fields([['seq', t.uint], ['time', t.uint], ['author', t.text], ['body', body]]);
const states = t.list(t.fields([['user', t.text], ['presence', t.choiceOr(0, PRESENCES, 'idle')]]));
const title = t.optional(t.textUpTo(LIMITS.room_title_bytes_max));
const names = t.list(t.textUpTo(LIMITS.capability_bytes_max), LIMITS.capabilities_max);
// An id that is wrong inside a list is reported as that of a user, as the specification's vectors do.
const user = { ...t.id, read: (value) => t.within('user', 0, () => t.id.read(value)) };

const CLIENT = {
    hello: [1, [['version', t.u32], ['tenant', t.tenant], ['auth', auth], ['device', t.id],
        ['capabilities', t.optional(names, [])]]],
    ping: [2, [['nonce', t.uint]]],
    create: [16, [['id', t.uint], ['key', t.key], ['room', t.id], ['title', title]]],
    join: [17, [['id', t.uint], ['room', t.id], ['resume', t.optional(position)]]],
    leave: [18, [['id', t.uint], ['room', t.u32]]],
    send: [19, [['id', t.uint], ['key', t.key], ['room', t.u32],
        ['text', t.textUpTo(LIMITS.message_text_bytes_max)]]],
    history: [20, [['id', t.uint], ['room', t.u32], ['direction', t.choice(1, ['before', 'after'])],
        ['anchor', t.uint], ['limit', t.uintIn(1, LIMITS.page_events_max)]]],
    set_typing: [21, [['id', t.uint], ['room', t.u32], ['active', t.bool]]],
    set_presence: [22, [['id', t.uint], ['state', t.choice(1, ['active', 'idle'])]]],
    watch: [23, [['id', t.uint], ['users', t.list(user, LIMITS.watched_users_max)]]],
    list_members: [24, [['id', t.uint], ['room', t.u32],
        ['limit', t.uintIn(1, LIMITS.members_page_max)], ['after', t.optional(t.id)]]],
};

const SERVER = {
    welcome: [3, [['version', t.u32], ['tenant', t.text], ['user', t.text], ['connection', t.uint],
        ['time', t.uint], ['heartbeat_ms', t.uint], ['message_bytes_max', t.uint],
        ['requests_in_flight_max', t.u32], ['capabilities', t.optional(t.list(t.text), [])],
        ['expires', t.optional(t.uint)]]],
    pong: [4, [['nonce', t.uint], ['time', t.uint]]],
    bye: [5, [['code', t.u16], ['reconnect_after_ms', t.optional(t.uint)],
        ['explanation', t.optional(t.text)]]],
    done: [64, [['id', t.uint]]],
    error: [65, [['id', { ...t.optional(t.uint), optional: false }], ['code', t.u16],
        ['retry_after_ms', t.optional(t.uint)], ['explanation', t.optional(t.text)]]],
    created: [66, [['id', t.uint], ['room', t.u32], ['position', position], ['time', t.uint]]],
    joined: [67, [['id', t.uint], ['room', t.u32], ['position', position], ['head', t.uint],
        ['members', t.u32], ['reset', t.optional(t.choiceOr(1, RESETS, 'other'))]]],
    sent: [68, [['id', t.uint], ['position', position], ['time', t.uint]]],
    page: [69, [['id', t.uint], ['room', t.u32], ['epoch', t.epoch], ['more', t.bool],
        ['events', t.list(event)]]],
    watching: [70, [['id', t.uint], ['users', states]]],
    members: [71, [['id', t.uint], ['room', t.u32], ['more', t.bool], ['users', t.list(t.text)]]],
    event: [96, [['room', t.u32], ['epoch', t.epoch], ['event', event]]],
    typing: [97, [['room', t.u32], ['count', t.u32], ['users', t.list(t.text)]]],
    presence: [98, [['users', states]]],
    reset: [99, [['room', t.u32], ['position', position], ['reason', t.choiceOr(1, RESETS, 'other')]]],
    removed: [100, [['room', t.u32], ['reason', t.choiceOr(1, ['left', 'removed'], 'other')]]],
    dropped: [101, [['signals', t.uint]]],
};

const ENCODING = { ...CLIENT, ...SERVER };
const DECODING = { client: byNumber(CLIENT), server: byNumber(SERVER) };
// Where field 1 is the id of a request: what a client sends, and what a server answers.
const WITH_ID = { client: [16, 63], server: [64, 95] };

function byNumber(frames) {
    return new Map(Object.entries(frames).map(([kind, [number, table]]) => [number, { kind, table }]));
}

/** A frame that was refused; the others of its message stand. */
export class FrameError extends Error {
    /** @param {{ code: number, id?: number | null, field?: string | null, position?: number, problem: string }} what */
    constructor({ code, id = null, field = null, position = null, problem }) {
        super(field === null ? problem : `field ${position} (${field}) ${problem}`);
        this.name = 'FrameError';
        /** The error code a server answers with: {@link ERRORS}. */
        this.code = code;
        /** The request it is about, where that could be read. */
        this.id = id;
        this.field = field;
        this.position = position;
    }
}

/** The bytes of one frame. */
export function encodeFrame(frame) {
    const [number, table] = ENCODING[frame.kind];
    const writer = new Writer();
    writer.array(1 + table.length);
    writer.uint(number);
    t.writeFields(table, writer, frame);
    return writer.finish();
}

/**
 * The frames of a message, each readable or a {@link FrameError}.
 * @param {Uint8Array} bytes
 * @param {'client' | 'server'} sender
 * @returns {(object | FrameError)[]}
 * @throws {import('./reader.js').MessageError} nothing of the message may be used
 */
export function decodeMessage(bytes, sender) {
    const max = sender === 'client' ? LIMITS.client_message_bytes_max : LIMITS.server_message_bytes_max;
    return readMessage(bytes, max).map((values) => decodeFrame(values, sender));
}

function decodeFrame(values, sender) {
    const number = values[0];
    if (!Number.isInteger(number) || number < 0) {
        return new FrameError({ code: ERRORS.malformed, problem: 'a frame without a kind' });
    }
    const [first, last] = WITH_ID[sender];
    const hasId = number >= first && number <= last && Number.isInteger(values[1]) && values[1] >= 0;
    const id = hasId ? values[1] : null;
    const known = DECODING[sender].get(number);
    if (!known) return new FrameError({ code: ERRORS.unknown_kind, id, problem: `unknown kind ${number}` });
    try {
        return { kind: known.kind, ...t.readFields(known.table, values, 1) };
    } catch (error) {
        if (!(error instanceof t.FieldError)) throw error;
        const { path: field, position: at, message: problem } = error;
        return new FrameError({ code: ERRORS.invalid_field, id, field, position: at, problem });
    }
}
