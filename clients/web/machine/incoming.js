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
};

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
        else if (frame.kind === 'error' && frame.id === null) this.#refused(now, frame);
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
            case 'dropped': events.push({ type: 'dropped', signals: frame.signals }); return;
            case 'event':
            case 'typing':
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
        const { id } = room;
        if (frame.kind === 'event') {
            const position = room.advance(frame.epoch, frame.event.seq);
            events.push({ type: 'timeline', room: id, position, event: frame.event });
        } else if (frame.kind === 'typing') {
            events.push({ type: 'typing', room: id, users: frame.users, count: frame.count });
        } else if (frame.kind === 'reset') {
            room.cursor = frame.position;
            events.push({ type: 'reset', room: id, position: frame.position, reason: frame.reason });
        } else {
            const cause = frame.reason === 'removed' ? 'removed' : 'left';
            this.#machine.forgetRoom(room, { cause });
        }
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
            case 'join': this.#joined(pending, reply); return;
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
        if (reset !== null) machine.events.push({ type: 'reset', room: room.id, position, reason: reset });
        if (room.asker !== null) machine.outcomes.push({ asker: room.asker, answer: joined });
        room.asker = null;
        room.lane.gate = 'open';
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
        if (pending.request.kind !== 'join') {
            this.#machine.refuse(pending, error);
        } else if (pending.lane.room !== null) {
            const why = { cause: 'refused', code: error.code ?? ERRORS.malformed, explanation: error.message };
            this.#machine.forgetRoom(pending.lane.room, why);
        }
    }
}
