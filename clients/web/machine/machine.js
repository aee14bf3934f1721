/**
 * The client without a socket and without a clock: bytes and moments go in; bytes, events, answers and
 * one next deadline come out. Whoever drives it does the rest: `client.js` with a WebSocket, a test with
 * a script.
 *
 *                opened              welcome
 *     connecting ──────▶ welcoming ──────────▶ live
 *          ▲  │              │                  │
 *          │  └──────────────┴────────┬─────────┘ lost, silent, bye, a broken protocol
 *          │  deadline                ▼
 *          └──────────────────── waiting      unauthenticated ──authenticate──▶ connecting      stopped
 *
 * Moments are milliseconds of a clock that never goes back.
 * @module
 */

import { adviceOfClose } from '../wire/codes.js';
import { FrameError, decodeMessage, encodeFrame } from '../wire/frames.js';
import { LIMITS } from '../wire/limits.js';
import { MessageError } from '../wire/reader.js';
import { Backoff } from './backoff.js';
import { Incoming } from './incoming.js';
import { Link } from './link.js';
import { RequestError } from './outcome.js';
import { Requests } from './requests.js';
import { Room, Rooms } from './rooms.js';

/** Highest version of the protocol this client speaks. */
export const VERSION = 1;

/** Longest wait a bye may ask for: ten minutes. A client that waits for ever is a lost client. */
const RECONNECT_AFTER_MS_MAX = 600_000;
/** Most signals that wait for the socket. */
const SIGNALS_MAX = 64;
/** A connection that lived this long was a good one: the waits start again from the shortest. */
const GOOD_AFTER_MS = 60_000;
/** An attempt this old, when the network comes back, was made on the one that is gone. */
const ATTEMPT_OLD_MS = 2000;

export const DEFAULTS = Object.freeze({
    /** Most unanswered requests of the app. */
    requests_max: 1024,
    /** Most joined rooms. */
    rooms_max: 512,
    /** How long to wait for a socket, and then for the welcome. */
    connect_timeout_ms: 10_000,
    /** The longest first wait before a reconnect; each next may be twice as long. */
    backoff_base_ms: 1000,
    /** The longest wait before a reconnect, unless a bye says otherwise. */
    backoff_max_ms: 30_000,
});

/** @typedef {'connecting' | 'welcoming' | 'live' | 'waiting' | 'unauthenticated' | 'stopped'} State */

export class Machine {
    /** @type {State} */
    state = 'connecting';
    /** What happened, for the app; the driver empties it. @type {object[]} */
    events = [];
    /** Answers, for who asked; the driver empties it. @type {{ asker: any, answer?: object, error?: Error }[]} */
    outcomes = [];
    rooms = new Rooms();
    user = null;
    /** Counts the attempts to connect: the driver's socket belongs to one of them. */
    attempt = 1;
    /** What a new connection must be told again. */
    presence = null;
    watched = [];
    /** `room` is null when nothing is on the screen. @type {{ room: Room | null, thread: number | null } | null} */
    shown = null;
    /** What goes out with the next message. */
    #signals = [];
    #incoming = new Incoming(this);
    /** When to reconnect, while waiting. `isNamed`: the server said so, and nobody may come earlier. */
    #waiting = { until: 0, isNamed: false };

    /**
     * @param {{ tenant: string, auth: object, device: string, random?: () => number, limits?: object }} settings
     * @param {number} now
     */
    constructor({ tenant, auth, device, random = Math.random, limits = {} }, now) {
        this.limits = { ...DEFAULTS, ...limits };
        this.tenant = tenant;
        this.auth = auth;
        this.device = device;
        this.backoff = new Backoff(this.limits.backoff_base_ms, this.limits.backoff_max_ms, random);
        this.requests = new Requests(this.limits.requests_max);
        this.link = new Link(now, this.limits.connect_timeout_ms);
    }

    /** Does something; `asker` gets its outcome, now or later. @param {object} command a request that names its room by id */
    submit(command, asker) {
        try {
            this.#submit(command, asker);
        } catch (error) {
            if (!(error instanceof RequestError)) throw error;
            this.outcomes.push({ asker, error });
        }
    }

    #submit(command, asker) {
        if (this.state === 'stopped') throw new RequestError('stopped', 'the client ended');
        check(command);
        if (this.requests.isFull()) {
            throw new RequestError('queue_full', `${this.limits.requests_max} requests wait already`);
        }
        if (command.kind === 'join' || command.kind === 'open_stream') {
            this.#join(command, asker);
            return;
        }
        if (command.kind === 'signal') {
            this.#signal(command, asker);
            return;
        }
        if (command.kind === 'set_typing' && this.state !== 'live') {
            throw new RequestError('disconnected', 'there is no connection');
        }
        let { connection: lane } = this.requests;
        if (isAboutJoinedRoom(command)) {
            const room = this.rooms.get(command.room);
            if (room === null) throw new RequestError('not_joined', `room ${command.room} is not joined`);
            lane = room.lane;
        }
        this.requests.ask(lane, { ...command }, asker);
    }

    #join({ room: id, stream, resume }, asker) {
        const isStream = stream !== undefined;
        const joined = isStream ? this.rooms.stream(stream) : this.rooms.get(id);
        if (joined !== null) throw new RequestError('already_joined', `${isStream ? `stream ${stream}` : `room ${id}`} is joined already`);
        if (this.rooms.count >= this.limits.rooms_max) {
            throw new RequestError('too_many_rooms', `${this.limits.rooms_max} rooms are joined already`);
        }
        const room = new Room(isStream ? stream : id, resume ?? null, asker, { isStream });
        room.lane = this.requests.openLane(room);
        this.rooms.add(room);
        if (this.state === 'live') this.askToJoin(room);
    }

    /** Queues a signal: of the same name in the same room the newest wins, and of too many the oldest goes. */
    #signal({ room: id, name, body }, asker) {
        if (this.state !== 'live') throw new RequestError('disconnected', 'there is no connection');
        const room = this.rooms.get(id);
        if (room === null) throw new RequestError('not_joined', `room ${id} is not joined`);
        this.#signals = this.#signals.filter((other) => other.room !== room || other.name !== name);
        if (this.#signals.length === SIGNALS_MAX) this.#signals.shift();
        this.#signals.push({ room, name, body });
        this.outcomes.push({ asker, answer: { kind: 'done', id: null } });
    }

    /** Asks the server for a room or stream, from where the app stands in it. */
    askToJoin(room) {
        const named = room.isStream ? { kind: 'open_stream', stream: room.id } : { kind: 'join', room: room.id };
        this.requests.askFirst(room.lane, { ...named, resume: room.cursor });
        room.lane.gate = 'joining';
    }

    /** Uses another proof from now on, and connects when one was asked for. */
    authenticate(now, auth) {
        this.auth = auth;
        if (this.state === 'unauthenticated') this.#connect(now);
    }

    /** Ends the client: what is unanswered is answered with `stopped`. */
    close() {
        this.stop({ cause: 'closed', code: null, explanation: 'closed' });
    }

    /** When {@link tick} is needed next; Infinity when it is not. */
    deadline() {
        switch (this.state) {
            case 'connecting':
            case 'welcoming': return this.link.until;
            case 'waiting': return this.#waiting.until;
            case 'live': return Math.min(this.link.nextHeartbeat(), this.requests.nextWake());
            default: return Infinity;
        }
    }

    /** A deadline passed; harmless when none did. */
    tick(now) {
        if (this.state === 'waiting') {
            if (now >= this.#waiting.until) this.#connect(now);
        } else if (this.state === 'live') {
            this.requests.wake(now);
            this.link.beat(now);
            if (this.link.isSilent(now)) {
                this.disconnect(now, { cause: 'silent', explanation: `nothing heard for ${this.link.silentMs(now)} ms` });
            }
        } else if (now >= this.deadline()) {
            this.disconnect(now, { cause: 'timed_out', explanation: `no ${this.state === 'connecting' ? 'connection' : 'welcome'} in time` });
        }
    }

    /**
     * The device woke up, or its network changed or came back: whatever waits by its own guess tries
     * now, spread a little, and a connection that may be dead is asked.
     */
    hurry(now) {
        if (this.state === 'live') {
            this.link.doubt();
        } else if (this.state === 'waiting' && !this.#waiting.isNamed) {
            this.backoff.reset();
            this.#waiting.until = Math.min(this.#waiting.until, now + this.backoff.afterMs(0) / 4);
        } else if (this.state === 'connecting' && now >= this.link.until - this.limits.connect_timeout_ms + ATTEMPT_OLD_MS) {
            this.#connect(now);
        }
    }

    /** There is a socket. */
    opened(now) {
        if (this.state !== 'connecting') return;
        this.link = new Link(now, this.limits.connect_timeout_ms);
        this.state = 'welcoming';
    }

    /** There is no socket any more, or none could be had. */
    lost(now, explanation) {
        this.disconnect(now, { cause: 'socket', explanation });
    }

    /** The server closed the socket with this code, without a bye. */
    closed(now, code, explanation) {
        this.disconnectAsAdvised(now, { cause: 'closed', code, explanation }, adviceOfClose(code), null);
    }

    /** A binary WebSocket message came. @param {Uint8Array} bytes */
    receive(now, bytes) {
        this.link.heard(now);
        let frames;
        try {
            frames = decodeMessage(bytes, 'server');
        } catch (error) {
            if (!(error instanceof MessageError)) throw error;
            this.disconnect(now, { cause: 'protocol', explanation: error.message });
            return;
        }
        this.#incoming.take(now, frames);
    }

    /** A text WebSocket message came; the protocol has none. */
    receiveText(now) {
        this.disconnect(now, { cause: 'protocol', explanation: 'a text message' });
    }

    /** The next WebSocket message to write, or null. Requests that wait meanwhile share the next one. */
    transmit(now) {
        const frames = [];
        if (this.state === 'welcoming' && !this.link.helloWritten) {
            this.link.helloWritten = true;
            const { tenant, auth, device } = this;
            frames.push(encodeFrame({ kind: 'hello', version: VERSION, tenant, auth, device, capabilities: [] }));
        } else if (this.state === 'live') {
            const nonce = this.link.takePing(now);
            if (nonce !== null) frames.push(encodeFrame({ kind: 'ping', nonce }));
            this.#writeSignals(frames);
            this.#writeRequests(frames);
        }
        if (frames.length === 0) return null;
        this.link.said(now);
        return join(frames);
    }

    /** They are small: a message holds all that may wait. */
    #writeSignals(frames) {
        const bytesMax = this.link.messageBytesMax;
        let bytes = frames.reduce((sum, frame) => sum + frame.length, 0);
        for (const { room, name, body } of this.#signals) {
            if (room.number === null) continue;
            const frame = encodeFrame({ kind: 'signal', room: room.number, name, body });
            bytes += frame.length;
            if (bytes > bytesMax) break;
            frames.push(frame);
        }
        this.#signals = [];
    }

    #writeRequests(frames) {
        const bytesMax = this.link.messageBytesMax;
        let bytes = frames.reduce((sum, frame) => sum + frame.length, 0);
        while (frames.length < LIMITS.frames_per_message_max && this.requests.inFlight < this.link.requestsMax) {
            const pending = this.requests.take();
            if (pending === null) return;
            const frame = this.#encode(pending);
            if (bytes + frame.length <= bytesMax) {
                frames.push(frame);
                bytes += frame.length;
                this.requests.fly(pending);
            } else if (frame.length <= bytesMax) {
                // For the next message.
                this.requests.putBack(pending);
                return;
            } else {
                this.refuse(pending, new RequestError('too_long', `${frame.length} bytes, the server takes ${bytesMax}`));
            }
        }
    }

    /** Names the room by its number on this connection. A request that lost its room keeps the one it had. */
    #encode(pending) {
        const room = pending.lane.room;
        if (room !== null && room.number !== null && isAboutJoinedRoom(pending.request)) {
            pending.number = room.number;
        }
        const { request } = pending;
        const named = isAboutJoinedRoom(request) ? { ...request, room: pending.number } : request;
        return encodeFrame({ ...named, id: this.requests.nextId });
    }

    /** Answers who asked. */
    answer(pending, answer) {
        const asker = this.requests.settle(pending);
        if (asker !== null) this.outcomes.push({ asker, answer });
    }

    /** Tells who asked that there is no better answer than this. */
    refuse(pending, error) {
        const asker = this.requests.settle(pending);
        if (asker !== null) this.outcomes.push({ asker, error });
    }

    /** The room is no longer joined: whoever waits for it is told, and so is the app. @param {{ cause: 'left' | 'removed' | 'banned' | 'hidden' | 'refused', code?: number, explanation?: string }} why */
    forgetRoom(room, why) {
        if (!this.rooms.has(room)) return;
        this.rooms.remove(room);
        const gone = new RequestError('not_joined', `room ${room.id} is not joined`);
        for (const asker of this.requests.closeLane(room.lane)) this.outcomes.push({ asker, error: gone });
        if (room.asker === null) {
            this.events.push(room.isStream
                ? { type: 'stream_ended', stream: room.id, why }
                : { type: 'removed', room: room.id, why });
        } else {
            // Never joined: the answer to the join says it.
            const error = why.cause === 'refused' ? new RequestError('refused', why.explanation, why.code) : gone;
            this.outcomes.push({ asker: room.asker, error });
        }
    }

    #connect(now) {
        this.link = new Link(now, this.limits.connect_timeout_ms);
        this.state = 'connecting';
        this.attempt += 1;
    }

    /** @param {import('../wire/codes.js').Advice} advice @param {number | null} afterMs when the server named it */
    disconnectAsAdvised(now, why, advice, afterMs) {
        if (advice === 'stop') {
            this.disconnect(now, why, { next: 'stop' });
        } else if (advice === 'reauthenticate') {
            this.disconnect(now, why, { next: 'authenticate' });
        } else {
            this.disconnect(now, why, { next: 'retry', afterMs });
        }
    }

    /** Gives the connection up. Everything that must survive it goes back to its place. */
    disconnect(now, { cause, code = null, explanation }, { next, afterMs = null } = { next: 'retry' }) {
        if (!['connecting', 'welcoming', 'live'].includes(this.state)) return;
        const why = { cause, code, explanation: explanation ?? '' };
        if (this.link.livedMs(now) >= GOOD_AFTER_MS) this.backoff.reset();
        const { expired, left } = this.requests.ground();
        const error = new RequestError('disconnected', 'the connection was lost');
        for (const asker of expired) this.outcomes.push({ asker, error });
        for (const room of left) this.forgetRoom(room, { cause: 'left' });
        this.rooms.forgetNumbers();
        this.#signals = [];
        if (next === 'stop') {
            this.events.push({ type: 'disconnected', why, retryInMs: null });
            this.stop(why);
        } else if (next === 'authenticate') {
            this.state = 'unauthenticated';
            this.events.push({ type: 'disconnected', why, retryInMs: null });
            this.events.push({ type: 'authentication_needed', code: why.code, explanation: why.explanation });
        } else {
            const waitMs = afterMs === null
                ? this.backoff.nextMs()
                : Math.min(this.backoff.spreadMs(afterMs), RECONNECT_AFTER_MS_MAX);
            this.state = 'waiting';
            this.#waiting = { until: now + waitMs, isNamed: afterMs !== null };
            this.events.push({ type: 'disconnected', why, retryInMs: waitMs });
        }
    }

    stop(why) {
        if (this.state === 'stopped') return;
        this.state = 'stopped';
        const askers = this.requests.drain();
        for (const room of this.rooms) if (room.asker !== null) askers.push(room.asker);
        this.rooms = new Rooms();
        const error = new RequestError('stopped', why.explanation, why.code);
        for (const asker of askers) this.outcomes.push({ asker, error });
        this.events.push({ type: 'stopped', why });
    }
}

/** Requests that go out with the number of a room that must be joined for them. */
const OF_ROOMS = new Set(['leave', 'send', 'history', 'set_typing', 'list_members', 'edit', 'delete', 'react', 'pin',
    'versions', 'mark', 'list_readers', 'follow', 'change_room', 'moderate', 'set_overwrite', 'list_overwrites',
    'set_level', 'report']);
/** Those that do where they name a room. */
const OF_ROOMS_OR_NOT = new Set(['explain', 'view']);

function isAboutJoinedRoom({ kind, room }) {
    return OF_ROOMS.has(kind) || (OF_ROOMS_OR_NOT.has(kind) && room !== null && room !== undefined);
}

/** Refuses what no server would take, with the reader a server would use, before it costs the connection. */
function check(command) {
    const frame = { ...command, id: 0 };
    if (isAboutJoinedRoom(command) || command.kind === 'signal') frame.room = 0;
    let read;
    try {
        [read] = decodeMessage(encodeFrame(frame), 'client');
    } catch (error) {
        throw new RequestError('invalid', error.message);
    }
    if (read instanceof FrameError) throw new RequestError('invalid', read.message);
}

function join(frames) {
    const message = new Uint8Array(frames.reduce((sum, frame) => sum + frame.length, 0));
    let at = 0;
    for (const frame of frames) {
        message.set(frame, at);
        at += frame.length;
    }
    return message;
}
