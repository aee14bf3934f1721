/**
 * What a server says, as tables: the number of each kind, and its fields in their order. No limit of this
 * version is checked, and numbers of later ones read as something safe.
 * @module
 */

import { MARK, TOLD_BEHIND_TITLE, position, toldChange, toldTarget } from './nouns.js';
import * as t from './types.js';

const RESETS = ['epoch_changed', 'trimmed', 'ahead', 'unreadable', 'not_kept'];
const REMOVALS = ['left', 'removed', 'banned', 'hidden'];
const PRESENCES = ['offline', 'active', 'idle', 'away', 'busy'];
const PLACES = ['joined', 'left', 'added', 'removed', 'invited', 'uninvited', 'banned', 'unbanned'];
const CAUSES = ['nothing', 'role', 'everyone_here', 'role_here', 'user_here', 'prohibited', 'no_view', 'not_member',
    'banned', 'muted', 'archived', 'kind', 'apart'];

/** A list without what reads as null: what is of a later version. @returns {t.Type} */
function known(type, isKnown = (value) => value !== null) {
    const all = t.list(type);
    return { ...all, read: (value) => all.read(value).filter(isKnown) };
}

const seq = t.uint;
const users = t.list(t.text);
const roles = t.list(t.u32);
const no = t.trailing(t.bool, false);
const level = t.choiceOr(1, ['all', 'mentions', 'nothing'], 'all');

const STATUS = [['availability', t.trailing(t.choiceOr(0, ['automatic', 'away', 'busy', 'invisible'], 'automatic'), 'automatic')],
    ['text', t.trailing(t.text)], ['expires', t.trailing(t.uint)]];
const OVERWRITE = [['target', toldTarget], ['deny', t.uint], ['allow', t.uint]];
const REACTION = t.fields([['emoji', t.text], ['count', t.u32], ['users', users], ['me', no]]);
const THREAD = t.fields([['replies', t.u32], ['newest', seq]]);
const CUSTOM = t.fields([['kind', t.text], ['body', t.bytes()]]);
const MENTIONS = t.fields([['users', t.trailing(users, [])], ['roles', t.trailing(roles, [])], ['room', no]]);
const STATE = t.fields([['version', t.trailing(t.u32, 0)], ['edited', t.trailing(t.uint)],
    ['reactions', t.trailing(t.list(REACTION), [])], ['thread', t.trailing(THREAD)], ['pinned', no]]);
const MESSAGE = [['text', t.text], ['thread', t.trailing(seq)], ['reply_to', t.trailing(seq)],
    ['mentions', t.trailing(MENTIONS, { users: [], roles: [], room: false })], ['custom', t.trailing(CUSTOM)],
    ['attachments', t.trailing(t.list(t.text), [])], ['quiet', no], ['state', t.trailing(STATE)]];
const MEASURE = [['user', t.text], ['until', t.trailing(t.uint)], ['reason', t.trailing(t.text)]];
const info = t.fields([['title', t.trailing(t.text)], ...TOLD_BEHIND_TITLE]);

const BODIES = {
    1: ['room_created', [['title', t.optional(t.text)], ...TOLD_BEHIND_TITLE, ['id', t.trailing(t.text)],
        ['members', t.trailing(users, [])]]],
    2: ['member_joined', []],
    3: ['member_left', []],
    4: ['member_added', [['member', t.text]]],
    5: ['member_removed', [['member', t.text]]],
    6: ['room_changed', [['changes', known(toldChange)]]],
    7: ['member_invited', [['user', t.text]]],
    8: ['member_uninvited', [['user', t.text]]],
    9: ['member_banned', MEASURE],
    10: ['member_unbanned', [['user', t.text]]],
    11: ['member_muted', MEASURE],
    12: ['member_unmuted', [['user', t.text]]],
    13: ['overwrite_set', OVERWRITE],
    16: ['message', MESSAGE],
    17: ['message_edited', [['target', seq], ['version', t.u32], ...MESSAGE]],
    18: ['message_deleted', [['target', seq], ['by_moderator', no]]],
    19: ['reaction_set', [['target', seq], ['reaction', REACTION], ['on', t.bool]]],
    20: ['pin_set', [['target', seq], ['on', t.bool]]],
    21: ['tombstone', [['thread', t.trailing(seq)], ['summary', t.trailing(THREAD)], ['by_moderator', no]]],
    22: ['reported', [['room', t.u32], ['id', t.text], ['target', seq], ['author', t.text], ['time', t.uint],
        ['reason', t.text], ...MESSAGE]],
    32: ['stream_opened', []],
    33: ['place_changed', [['room', t.u32], ['id', t.text], ['change', t.choiceOr(1, PLACES, null)], ['by', t.text]]],
    34: ['marked', [['marks', t.list(t.fields(MARK))]]],
    35: ['status_set', STATUS],
    36: ['level_set', [['room', t.u32], ['level', level]]],
    37: ['block_set', [['user', t.text], ['on', t.bool]]],
    38: ['roles_given', [['roles', roles]]],
    39: ['thread_followed', [['room', t.u32], ['thread', seq], ['on', t.bool]]],
};

/** What happened; what is of a later version is `unknown`. @type {t.Type} */
const body = {
    read: (value) => {
        if (!Array.isArray(value)) throw new t.FieldError('is not an array');
        const number = t.within('kind', 0, () => t.uint.read(value[0]));
        const [kind, table] = BODIES[number] ?? [];
        if (kind === undefined) return { kind: 'unknown', number };
        const read = { kind, ...t.readFields(table, value, 1) };
        return read.change === null || read.target === null ? { kind: 'unknown', number } : read;
    },
    write: (writer, value) => {
        const found = Object.entries(BODIES).find(([, [name]]) => name === value.kind);
        const [number, table] = found ? [Number(found[0]), found[1][1]] : [value.number, []];
        t.writeArray([number], table, writer, value);
    },
};

const event = t.fields([['seq', seq], ['time', t.uint], ['author', t.text], ['body', body]]);
const states = t.list(t.fields([['user', t.text], ['presence', t.choiceOr(0, PRESENCES, 'idle')],
    ['last_seen', t.trailing(t.uint)], ['status', t.trailing(t.text)]]));
const role = t.fields([['role', t.u32], ['name', t.text], ['rank', t.u32], ['allow', t.uint],
    ['prohibit', t.trailing(t.uint, 0)]]);
const entry = t.fields([['room', t.u32], ['id', t.text], ['standing', t.choiceOr(1, ['member', 'invited'], 'invited')],
    ['info', info], ['head', position], ['time', t.uint], ['members', t.u32], ['permissions', t.uint],
    ['generation', t.u32], ['seq', seq], ['unread', t.u32], ['mentions', t.u32], ['level', t.trailing(level, 'all')]]);
const followed = t.fields([['room', t.u32], ['thread', seq], ['generation', t.u32], ['seq', seq], ['unread', t.u32]]);
const reason = t.fields([['cause', t.choiceOr(1, CAUSES, null)], ['role', t.optional(t.u32)], ['allows', t.bool]]);
const signal = t.fields([['user', t.text], ['name', t.text], ['body', t.bytes()]]);
const occupancyChange = t.fields([['all', t.bool], ['came', users], ['went', users]]);

/** What a room is like whose server says nothing of it. */
const PLAIN = { title: null, room_kind: 'open', topic: null, metadata: '', retention: null, durability: 'synced',
    slow_mode_ms: 0, archived: false };

export const SERVER = {
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
    joined: [67, [['id', t.uint], ['room', t.u32], ['position', position], ['head', seq],
        ['members', t.u32], ['reset', t.optional(t.choiceOr(1, RESETS, 'other'))],
        ['info', t.trailing(info, PLAIN)], ['permissions', t.trailing(t.uint, 0)]]],
    sent: [68, [['id', t.uint], ['position', position], ['time', t.uint]]],
    page: [69, [['id', t.uint], ['room', t.u32], ['epoch', t.epoch], ['more', t.bool],
        ['events', t.list(event)], ['more_above', no]]],
    watching: [70, [['id', t.uint], ['users', states]]],
    members: [71, [['id', t.uint], ['room', t.u32], ['more', t.bool], ['users', users]]],
    marked: [72, [['id', t.uint], ['generation', t.u32], ['seq', seq]]],
    readers: [73, [['id', t.uint], ['room', t.u32], ['users', users], ['more', t.bool], ['after', t.trailing(t.text)]]],
    rooms: [74, [['id', t.uint], ['rooms', t.list(entry)], ['more', t.bool]]],
    overwrites: [75, [['id', t.uint], ['room', t.u32], ['overwrites', known(t.fields(OVERWRITE), ({ target }) => target !== null)]]],
    me: [76, [['id', t.uint], ['status', t.fields(STATUS)], ['roles', roles], ['permissions', t.uint], ['blocked', users],
        ['threads', t.list(followed)], ['stream', t.trailing(position)]]],
    roles: [77, [['id', t.uint], ['roles', t.list(role)]]],
    explained: [78, [['id', t.uint], ['allowed', t.bool], ['reasons', known(reason, ({ cause }) => cause !== null)]]],
    event: [96, [['room', t.u32], ['epoch', t.epoch], ['event', event]]],
    typing: [97, [['room', t.u32], ['count', t.u32], ['users', users], ['thread', t.trailing(seq)]]],
    presence: [98, [['users', states]]],
    reset: [99, [['room', t.u32], ['position', position], ['reason', t.choiceOr(1, RESETS, 'other')]]],
    removed: [100, [['room', t.u32], ['reason', t.choiceOr(1, REMOVALS, 'other')]]],
    dropped: [101, [['signals', t.uint]]],
    passed: [102, [['room', t.u32], ['epoch', t.epoch], ['from', seq], ['to', seq], ['members', t.u32]]],
    signals: [103, [['room', t.u32], ['signals', t.list(signal)]]],
    occupancy: [104, [['room', t.u32], ['count', t.u32], ['change', t.trailing(occupancyChange)]]],
};
