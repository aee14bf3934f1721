/**
 * What frames of both sides have in common: rooms, custom parts, marks, permissions.
 * @module
 */

import { LIMITS } from './limits.js';
import * as t from './types.js';

/** What may be allowed, each at the place of its bit. */
export const PERMISSIONS = Object.freeze(['view', 'join', 'send', 'send_in_threads', 'react', 'attach', 'signal',
    'mention_many', 'pin', 'delete_any', 'invite', 'add', 'kick', 'ban', 'mute', 'manage_room', 'manage_overwrites',
    'skip_slow_mode', 'create_rooms', 'direct', 'manage_roles', 'moderate']);

export const ROOM_KINDS = ['open', 'private', 'direct', 'announcement', 'personal', 'moderation'];

export const position = t.fields([['epoch', t.epoch], ['seq', t.uint]]);

export const custom = t.fields([['kind', t.idUpTo(LIMITS.custom_kind_bytes_max)],
    ['body', t.bytes(LIMITS.custom_bytes_max)]]);

export const MARK = [['room', t.u32], ['thread', t.optional(t.uint)], ['generation', t.u32], ['seq', t.uint],
    ['public', t.trailing(t.bool, false)]];

/** One of several forms, each an array that begins with its number. `unknown` is what a later one reads as. @returns {t.Type} */
function forms(table, unknown) {
    const isKnown = (number) => number >= 1 && number <= table.length;
    return {
        read: (value) => {
            if (!Array.isArray(value)) throw new t.FieldError('is not an array');
            const number = t.within('kind', 0, () => (unknown === undefined ? t.uintIn(1, table.length) : t.uint).read(value[0]));
            if (!isKnown(number)) return unknown;
            const [name, type] = table[number - 1];
            if (type === null) return name;
            return { [name]: t.within(name, 1, () => {
                if (value[1] === undefined && !type.optional) throw new t.FieldError('is missing');
                return type.read(value[1]);
            }) };
        },
        write: (writer, value) => {
            const at = table.findIndex(([name]) => name === value || (typeof value === 'object' && name in value));
            const [name, type] = table[at];
            writer.array(type === null ? 1 : 2);
            writer.uint(at + 1);
            if (type !== null) type.write(writer, value[name]);
        },
    };
}

const RETENTIONS = [['all', null], ['days', t.uintIn(1, LIMITS.retention_days_max)],
    ['messages', t.uintIn(1, LIMITS.retention_messages_max)]];
const TARGETS = [['role', t.u32], ['user', t.id]];
const topic = t.textUpTo(LIMITS.room_topic_bytes_max);
const metadata = t.bytes(LIMITS.room_metadata_bytes_max);
const slowModeMs = t.uintIn(0, LIMITS.slow_mode_ms_max);

function changes(kind, retention) {
    return [['room_kind', kind], ['title', t.optional(t.textUpTo(LIMITS.room_title_bytes_max))], ['topic', t.optional(topic)],
        ['metadata', metadata], ['retention', retention], ['slow_mode_ms', slowModeMs], ['archived', t.bool]];
}

/** `'all'`, `{ days }` or `{ messages }`. */
const retention = forms(RETENTIONS);
const toldRetention = forms([['all', null], ['days', t.u32], ['messages', t.u32]], 'all');

/** What a client says a room is like. */
export const INFO_BEHIND_TITLE = [['room_kind', t.trailing(t.choice(1, ROOM_KINDS), 'open')], ['topic', t.trailing(topic)],
    ['metadata', t.trailing(metadata, '')], ['retention', t.trailing(retention)],
    ['durability', t.trailing(t.choice(1, ['synced', 'none']), 'synced')],
    ['slow_mode_ms', t.trailing(slowModeMs, 0)], ['archived', t.trailing(t.bool, false)]];

const toldKind = t.choiceOr(1, ROOM_KINDS, 'private');

/** What a server says a room is like. */
export const TOLD_BEHIND_TITLE = [['room_kind', t.trailing(toldKind, 'open')], ['topic', t.trailing(t.text)],
    ['metadata', t.trailing(t.bytes(), '')], ['retention', t.trailing(toldRetention)],
    ['durability', t.trailing(t.choiceOr(1, ['synced', 'none'], 'none'), 'synced')],
    ['slow_mode_ms', t.trailing(t.u32, 0)], ['archived', t.trailing(t.bool, false)]];

/** `{ title }`, `{ archived }` …: one change of a room. */
export const change = forms(changes(t.choice(1, ROOM_KINDS), retention));
/** The same from a server; null for a later one. */
export const toldChange = forms(changes(toldKind, toldRetention), null);

/** `{ role }` or `{ user }`. */
export const target = forms(TARGETS);
/** The same from a server; null for a later one. */
export const toldTarget = forms(TARGETS, null);
