/**
 * What of a room is shown, row by row: days, who came and went, messages in groups, where the new ones
 * begin. Pure, so that a test can say what should be on the screen.
 * @module
 */

/** Messages of one author this close together form a group. */
const GROUP_MS = 5 * 60_000;
/** The last moment a calendar here knows (ECMA-262, 21.4.1.1); a server may name later ones. */
const TIME_MAX = 8.64e15;
/** Most people named in one notice. */
const NAMED_MAX = 5;
const WHAT = { room_created: 'created', member_joined: 'joined', member_left: 'left', member_added: 'added', member_removed: 'removed' };

/** @typedef {{ key: string, type: string }} Row */

/** @param {import('./room.js').Room} room @returns {Row[]} */
export function rowsOf(room, dayOf = localDay) {
    const rows = [];
    if (room.loaded && !room.more && room.events[0]?.seq === 1) rows.push({ key: 'start', type: 'start' });
    let last = null;
    let day = null;
    let hasFresh = false;
    const enterDay = (time) => {
        const next = dayOf(time);
        if (next === day) return;
        day = next;
        last = null;
        rows.push({ key: `day:${day}`, type: 'day', day, time });
    };
    for (const { seq, time: told, author, body } of room.events) {
        if (body.kind !== 'message' && !(body.kind in WHAT)) continue;
        const time = Math.min(told, TIME_MAX);
        enterDay(time);
        if (body.kind !== 'message') {
            last = notice(rows, last, { seq, author, body });
            continue;
        }
        if (!hasFresh && room.freshAfter !== null && seq > room.freshAfter && author !== room.me) {
            hasFresh = true;
            rows.push({ key: 'fresh', type: 'fresh' });
            last = null;
        }
        last = message(rows, last, { key: body.state?.version ? `e:${seq}.${body.state.version}` : `e:${seq}`, author, text: body.text, time, mine: author === room.me, state: 'stored' });
    }
    for (const { key, text, at, state, problem } of room.shownPending) {
        enterDay(Math.max(at, Math.min(room.events.at(-1)?.time ?? 0, TIME_MAX)));
        last = message(rows, last, { key: `p:${key}`, pending: key, author: room.me, text, time: at, mine: true, state, problem });
    }
    return rows;
}

function message(rows, last, row) {
    const joins = last?.type === 'message' && last.author === row.author && Math.abs(row.time - last.time) < GROUP_MS;
    const added = { type: 'message', first: !joins, last: true, ...row };
    if (joins) last.last = false;
    rows.push(added);
    return added;
}

/** Comings and goings in a row are told in one notice. */
function notice(rows, last, { seq, author, body }) {
    const what = WHAT[body.kind];
    const user = body.member ?? author;
    if (last?.type === 'notice') {
        const same = last.parts.find((part) => part.what === what);
        if (same && same.users.length < NAMED_MAX && !same.users.includes(user)) same.users.push(user);
        else if (same && !same.users.includes(user)) same.others += 1;
        else if (!same) last.parts.push({ what, users: [user], others: 0 });
        return last;
    }
    const added = { key: `n:${seq}`, type: 'notice', parts: [{ what, users: [user], others: 0 }] };
    rows.push(added);
    return added;
}

/** A day of the reader's own calendar. */
export function localDay(time) {
    const date = new Date(time);
    return `${date.getFullYear()}-${date.getMonth() + 1}-${date.getDate()}`;
}
