/**
 * What comes from the server: the welcome, replies, pushes, the bye.
 * @module
 */

import { ERRORS, adviceOfClose, adviceOfError } from '../wire/codes.js';
import { FrameError } from '../wire/frames.js';
import { VERSION } from './machine.js';
import { RequestError } from './outcome.js';
import { Violation } from './rooms.js';

/** The reply of each request that is done. */
const REPLIES = {
    create: 'created',
    join: 'joined',
    leave: 'done',
    send: 'sent',
    history: 'page',
    set_typing: 'done',
    set_presence: 'done',
    watch: 'watching',
    list_members: 'members',
    edit: 'sent',
    delete: 'sent',
    react: 'sent',
    pin: 'sent',
    versions: 'page',
    mark: 'marked',
    mark_all: 'done',
    list_readers: 'readers',
    follow: 'done',
    list_rooms: 'rooms',
    change_room: 'sent',
    moderate: 'sent',
    set_overwrite: 'sent',
    list_overwrites: 'overwrites',
    set_level: 'done',
    report: 'sent',
    open_stream: 'joined',
    get_me: 'me',
    set_status: 'done',
    block: 'done',
    set_role: 'done',
    remove_role: 'done',
    give_roles: 'done',
    list_roles: 'roles',
    set_policy: 'done',
    explain: 'explained',
    view: 'done',
};

/** Errors without an id that say that this side's bytes could not be read; all others are about signals. */
const BROKEN = [ERRORS.malformed, ERRORS.unknown_kind];

export class Incoming {
    #machine;

    /** @param {import('./machine.js').Machine} machine */
    constructor(machine) {
        this.#machine = machine;
    }

    /** Takes the frames of a message in their order, until the connection is given up. */
    take(now, frames) {
        try {
            for (const frame of frames) {
                if (!['welcoming', 'live'].includes(this.#machine.state)) return;
                if (frame instanceof FrameError) this.#unreadable(frame);
                else this.#frame(now, frame);
            }
        } catch (error) {
            if (!(error instanceof Violation)) throw error;
            this.#machine.disconnect(now, { cause: 'protocol', explanation: error.message });
        }
    }

    #frame(now, frame) {
        const isLive = this.#machine.state === 'live';
        if (frame.kind === 'bye') this.#bye(now, frame);
        else if (frame.kind === 'error' && frame.id === null) {
            if (!isLive || BROKEN.includes(frame.code)) this.#refused(now, frame);
        }
        else if (frame.kind === 'welcome' && !isLive) this.#welcomed(now, frame);
        else if (isLive && frame.kind !== 'welcome') this.#live(now, frame);
        else throw new Violation(`an unexpected ${frame.kind}`);
    }

    #live(now, frame) {
        const { events, rooms } = this.#machine;
        switch (frame.kind) {
            case 'pong': return;
            case 'error': this.#requestRefused(now, frame); return;
            case 'presence': events.push({ type: 'presence', users: frame.users }); return;
            case 'dropped':
                events.push({ type: 'dropped', signals: frame.signals });
                this.#showAgain();
                return;
            case 'event':
            case 'passed':
            case 'typing':
            case 'signals':
            case 'occupancy':
            case 'reset':
            case 'removed': {
                // A push of a room that was left meanwhile is passed over.
                const room = rooms.byNumber(frame.room);
                if (room !== null) this.#push(room, frame);
                return;
            }
            default: this.#replied(frame);
        }
    }

    #push(room, frame) {
        const { events } = this.#machine;
        const { id, isStream } = room;
        switch (frame.kind) {
            case 'event': {
                const position = room.advance(frame.epoch, frame.event.seq);
                const { event } = frame;
                events.push(isStream ? { type: 'stream', stream: id, position, event } : { type: 'timeline', room: id, position, event });
                return;
            }
            case 'passed': {
                const position = room.advance(frame.epoch, frame.from, frame.to);
                events.push({ type: 'passed', room: id, position, members: frame.members });
                return;
            }
            case 'typing': {
                const { users, count, thread } = frame;
                events.push({ type: 'typing', room: id, users, count, thread });
                return;
            }
            case 'signals': events.push({ type: 'signals', room: id, signals: frame.signals }); return;
            case 'occupancy': events.push({ type: 'occupancy', room: id, count: frame.count, change: frame.change }); return;
            case 'reset':
                room.cursor = frame.position;
                this.#reset(room, frame.position, frame.reason);
                return;
            default: {
                const cause = frame.reason === 'other' ? 'left' : frame.reason;
                this.#machine.forgetRoom(room, { cause });
            }
        }
    }

    #reset({ id, isStream }, position, reason) {
        this.#machine.events.push(isStream
            ? { type: 'stream_reset', stream: id, position, reason }
            : { type: 'reset', room: id, position, reason });
    }

    /**
     * A later server may send kinds that this version does not know: they are passed over, and the
     * request that such a reply answers is given up. A known kind must be readable.
     */
    #unreadable(error) {
        if (error.id === null) {
            if (error.code === ERRORS.unknown_kind) return;
            throw new Violation(error.message);
        }
        const pending = this.#machine.requests.land(error.id);
        if (pending !== null) this.#giveUp(pending, new RequestError('unreadable', 'the reply cannot be read'));
    }

    #welcomed(now, welcome) {
        const machine = this.#machine;
        const { user, version } = welcome;
        if (version < 1 || version > VERSION) {
            machine.stop({ cause: 'version', code: null, explanation: `the server speaks version ${version}` });
            return;
        }
        if (machine.user !== null && machine.user !== user) {
            // Keys belong to their user: going on could store a message twice.
            machine.stop({ cause: 'user_changed', code: null, explanation: `taken for ${user} instead of ${machine.user}` });
            return;
        }
        const resumed = machine.user !== null;
        machine.user = user;
        machine.state = 'live';
        machine.link.welcomed(now, welcome);
        machine.events.push({ type: 'connected', resumed, user });
        const { connection } = machine.requests;
        connection.gate = 'open';
        if (machine.watched.length > 0) machine.requests.askFirst(connection, { kind: 'watch', users: machine.watched });
        if (machine.presence !== null) {
            machine.requests.askFirst(connection, { kind: 'set_presence', state: machine.presence });
        }
        if (machine.shown?.room === null) {
            machine.requests.askFirst(connection, { kind: 'view', room: null, thread: null });
        }
        for (const room of machine.rooms) machine.askToJoin(room);
    }

    #bye(now, { code, reconnect_after_ms: afterMs, explanation }) {
        const why = { cause: 'closed', code, explanation };
        this.#machine.disconnectAsAdvised(now, why, adviceOfClose(code), afterMs);
    }

    /** The hello was refused, or a frame that was no request. */
    #refused(now, { code, retry_after_ms: afterMs, explanation }) {
        const why = { cause: 'refused', code, explanation };
        let advice = 'retry';
        if (this.#machine.state === 'welcoming') {
            advice = adviceOfError(code) === 'fix' ? 'stop' : adviceOfError(code);
        }
        this.#machine.disconnectAsAdvised(now, why, advice, afterMs);
    }

    #replied(reply) {
        const machine = this.#machine;
        const pending = machine.requests.land(reply.id);
        if (pending === null) return;
        const { request } = pending;
        if (REPLIES[request.kind] !== reply.kind) {
            // It is asked again on the next connection.
            machine.requests.putBack(pending);
            throw new Violation(`${reply.kind} answers ${request.kind}`);
        }
        switch (request.kind) {
            case 'join':
            case 'open_stream': this.#joined(pending, reply); return;
            case 'view': machine.shown = { room: pending.lane.room, thread: request.thread ?? null }; break;
            case 'leave': this.#left(pending); break;
            case 'set_presence': machine.presence = request.state; break;
            case 'watch':
                if (pending.asker === null) machine.events.push({ type: 'presence', users: reply.users });
                else machine.watched = request.users;
                break;
            default:
        }
        machine.answer(pending, reply);
    }

    #joined({ lane: { room } }, joined) {
        // A room that was removed meanwhile has left its lane.
        if (room === null) return;
        const machine = this.#machine;
        machine.rooms.number(room, joined.room);
        const { position, reset } = joined;
        const stands = room.cursor === null
            || (room.cursor.epoch === position.epoch && room.cursor.seq === position.seq);
        if (!stands && reset === null) throw new Violation(`room ${room.id}: resumed elsewhere`);
        room.cursor = position;
        if (reset !== null) this.#reset(room, position, reset);
        if (room.asker === null && machine.shown?.room === room) {
            machine.requests.askFirst(room.lane, { kind: 'view', room: room.id, thread: machine.shown.thread });
        }
        if (room.asker !== null) machine.outcomes.push({ asker: room.asker, answer: joined });
        room.asker = null;
        room.lane.gate = 'open';
    }

    /** Who types and who is there may be other people than the app was told: so it is told of all of them. */
    #showAgain() {
        const { requests, rooms, shown } = this.#machine;
        const room = shown?.room ?? null;
        // One that is not joined yet is shown behind its join.
        if (room === null || !rooms.has(room) || room.number === null) return;
        requests.askFirst(room.lane, { kind: 'view', room: room.id, thread: shown.thread });
    }

    /** The membership ended, as the app asked. */
    #left({ lane: { room } }) {
        if (room !== null) this.#machine.forgetRoom(room, { cause: 'left' });
    }

    #requestRefused(now, { id, code, retry_after_ms: afterMs, explanation }) {
        const machine = this.#machine;
        const pending = machine.requests.land(id);
        if (pending === null) return;
        const refused = new RequestError('refused', explanation ?? '', code);
        const advice = adviceOfError(code);
        const { kind } = pending.request;
        if (advice === 'retry' && kind !== 'set_typing') {
            const waitMs = afterMs === null
                ? machine.backoff.afterMs(pending.attempts)
                : machine.backoff.spreadMs(afterMs);
            machine.requests.pause(pending, now + waitMs);
        } else if (advice === 'reauthenticate') {
            machine.requests.putBack(pending);
            machine.disconnectAsAdvised(now, { cause: 'refused', code, explanation }, advice, null);
        } else if (kind === 'leave' && pending.attempts > 1 && [ERRORS.not_member, ERRORS.room_not_found].includes(code)) {
            // It was done when it was asked before, and its reply was lost.
            this.#left(pending);
            machine.answer(pending, { kind: 'done', id });
        } else {
            this.#giveUp(pending, refused);
        }
    }

    /** A request gets no better answer than this error. */
    #giveUp(pending, error) {
        if (!['join', 'open_stream'].includes(pending.request.kind)) {
            this.#machine.refuse(pending, error);
        } else if (pending.lane.room !== null) {
            const why = { cause: 'refused', code: error.code ?? ERRORS.malformed, explanation: error.message };
            this.#machine.forgetRoom(pending.lane.room, why);
        }
    }
}
