/**
 * What a client says, as tables: the number of each kind, and its fields in their order. A server holds
 * these to their limits.
 * @module
 */

import { LIMITS } from './limits.js';
import { INFO_BEHIND_TITLE, MARK, PERMISSIONS, change, custom, position, target } from './nouns.js';
import * as t from './types.js';

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

const title = t.optional(t.textUpTo(LIMITS.room_title_bytes_max));
const names = t.list(t.textUpTo(LIMITS.capability_bytes_max), LIMITS.capabilities_max);
// What is wrong inside a list is reported under the name of its elements, as the specification's vectors do.
const named = (name, type) => ({ ...type, read: (value) => t.within(name, 0, () => type.read(value)) });
const user = named('user', t.id);
const allowed = t.fields([['users', t.trailing(t.list(user, LIMITS.allowed_mentions_max))],
    ['roles', t.trailing(t.bool, false)], ['room', t.trailing(t.bool, false)]]);
const permissions = t.uintIn(0, LIMITS.permissions_max);
const apart = t.list(t.fields([['from', t.u32], ['to', t.u32]]), LIMITS.policy_pairs_max);
const reason = t.textUpTo(LIMITS.reason_bytes_max);
const reference = named('reference', t.textUpTo(LIMITS.attachment_bytes_max));
const seq = t.uint;

const DRAFT = [['text', t.textUpTo(LIMITS.message_text_bytes_max)], ['thread', t.trailing(seq)],
    ['reply_to', t.trailing(seq)], ['allowed_mentions', t.trailing(allowed)], ['custom', t.trailing(custom)],
    ['attachments', t.trailing(t.list(reference, LIMITS.attachments_max), [])], ['quiet', t.trailing(t.bool, false)]];
const ASKED = [['id', t.uint]];
const IN_ROOM = [...ASKED, ['room', t.u32]];
const WRITE = [...ASKED, ['key', t.key], ['room', t.u32]];
const WRITE_TO = [...WRITE, ['target', seq]];
const pageOf = (max) => ['limit', t.uintIn(1, max)];

export const CLIENT = {
    hello: [1, [['version', t.u32], ['tenant', t.tenant], ['auth', auth], ['device', t.id],
        ['capabilities', t.optional(names, [])]]],
    ping: [2, [['nonce', t.uint]]],
    signal: [6, [['room', t.u32], ['name', t.idUpTo(LIMITS.signal_name_bytes_max)],
        ['body', t.bytes(LIMITS.signal_bytes_max)]]],
    create: [16, [...ASKED, ['key', t.key], ['room', t.id], ['title', title], ...INFO_BEHIND_TITLE,
        ['members', t.trailing(t.list(user, LIMITS.first_members_max), [])]]],
    join: [17, [...ASKED, ['room', t.id], ['resume', t.optional(position)]]],
    leave: [18, IN_ROOM],
    send: [19, [...WRITE, ...DRAFT]],
    history: [20, [...IN_ROOM, ['direction', t.choice(1, ['before', 'after', 'around'])],
        ['anchor', seq], pageOf(LIMITS.page_events_max), ['thread', t.trailing(seq)]]],
    set_typing: [21, [...IN_ROOM, ['active', t.bool], ['thread', t.trailing(seq)]]],
    set_presence: [22, [...ASKED, ['state', t.choice(1, ['active', 'idle'])]]],
    watch: [23, [...ASKED, ['users', t.list(user, LIMITS.watched_users_max)]]],
    list_members: [24, [...IN_ROOM, pageOf(LIMITS.members_page_max), ['after', t.optional(t.id)]]],
    edit: [25, [...WRITE_TO, ...DRAFT]],
    delete: [26, WRITE_TO],
    react: [27, [...WRITE_TO, ['emoji', t.idUpTo(LIMITS.emoji_bytes_max)], ['on', t.bool]]],
    pin: [28, [...WRITE_TO, ['on', t.bool]]],
    versions: [29, [...IN_ROOM, ['target', seq]]],
    mark: [30, [...ASKED, ...MARK]],
    mark_all: [31, [...ASKED, ['rooms', t.trailing(t.list(named('room', t.u32), LIMITS.marked_rooms_max))]]],
    list_readers: [32, [...IN_ROOM, ['seq', seq], pageOf(LIMITS.members_page_max), ['after', t.trailing(t.id)]]],
    follow: [33, [...IN_ROOM, ['thread', seq], ['on', t.bool]]],
    list_rooms: [34, [...ASKED, pageOf(LIMITS.rooms_page_max), ['after', t.trailing(t.u32)]]],
    change_room: [35, [...WRITE, ['changes', t.list(change, LIMITS.room_changes_max)]]],
    moderate: [36, [...WRITE, ['user', t.id], ['measure', t.choice(1, ['invite', 'uninvite', 'add', 'remove', 'ban',
        'unban', 'mute', 'unmute'])], ['until', t.trailing(t.uint)], ['reason', t.trailing(reason)]]],
    set_overwrite: [37, [...WRITE, ['target', target], ['deny', permissions], ['allow', permissions]]],
    list_overwrites: [38, IN_ROOM],
    set_level: [39, [...IN_ROOM, ['level', t.choice(1, ['all', 'mentions', 'nothing'])]]],
    report: [40, [...WRITE_TO, ['reason', reason]]],
    open_stream: [41, [...ASKED, ['stream', t.choice(1, ['personal', 'reports'])], ['resume', t.trailing(position)]]],
    get_me: [42, ASKED],
    set_status: [43, [...ASKED, ['availability', t.trailing(t.choice(0, ['automatic', 'away', 'busy', 'invisible']), 'automatic')],
        ['text', t.trailing(t.textUpTo(LIMITS.status_bytes_max))], ['expires', t.trailing(t.uint)]]],
    block: [44, [...ASKED, ['user', t.id], ['on', t.bool]]],
    set_role: [45, [...ASKED, ['role', t.u32], ['name', t.textUpTo(LIMITS.role_name_bytes_max)], ['rank', t.u32],
        ['allow', permissions], ['prohibit', t.trailing(permissions, 0)]]],
    remove_role: [46, [...ASKED, ['role', t.u32]]],
    give_roles: [47, [...ASKED, ['user', t.id], ['roles', t.list(t.u32, LIMITS.roles_per_user_max)]]],
    list_roles: [48, ASKED],
    set_policy: [49, [...ASKED, ['apart', apart]]],
    explain: [50, [...ASKED, ['room', t.optional(t.u32)], ['user', t.optional(t.id)],
        ['permission', t.choice(0, PERMISSIONS)]]],
    view: [51, [...ASKED, ['room', t.trailing(t.u32)], ['thread', t.trailing(seq)]]],
};
