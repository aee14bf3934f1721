/**
 * The client of an app: a {@link Machine} with a WebSocket, a clock and promises. It decides nothing:
 * what to do next is read off the machine.
 * @module
 */

import { ERRORS } from './wire/codes.js';
import { Machine } from './machine/machine.js';
import { RequestError } from './machine/outcome.js';

const SUBPROTOCOL = 'homeroom.v1.msgpack';
/** While more than this waits in the socket, nothing is written to it. */
const BUFFERED_BYTES_MAX = 262_144;
const BUFFERED_LOOK_MS = 50;
/** A close code of this client for a connection it gives up but comes back from: only 1000 says goodbye. */
const GIVEN_UP = 3000;

/**
 * @typedef {object} Options
 * @property {string} url `ws://HOST:PORT` or `wss://HOST`
 * @property {string} [tenant]
 * @property {{ guest: string } | { token: string }} auth
 * @property {string} [device] this installation: chosen at random once, then kept by the app
 * @property {(event: object) => void} [onEvent] what happens, in its order
 * @property {object} [limits] overrides of the machine's {@link DEFAULTS}
 */

export class Client {
    #machine;
    #url;
    #onEvent;
    #socket = null;
    #timer = null;
    #working = false;
    #unlisten = () => {};

    /** Connects, and stays connected until {@link close}. @param {Options} options */
    constructor({ url, tenant = 'default', auth, device = newKey(), onEvent = () => {}, limits }) {
        this.#url = new URL('/v1/connect', url).href;
        this.#onEvent = onEvent;
        this.#machine = new Machine({ tenant, auth, device, limits }, performance.now());
        this.#listenToDevice();
        this.#work();
    }

    /** `connecting`, `welcoming`, `live`, `waiting`, `unauthenticated` or `stopped`. */
    get state() {
        return this.#machine.state;
    }

    /** The last event of a joined room that was handed out: what to resume from after a restart of the app. */
    position(room) {
        return this.#machine.rooms.get(room)?.cursor ?? null;
    }

    /** Joins a room, from now on or from a position. */
    join(room, { resume = null } = {}) {
        return this.#ask({ kind: 'join', room, resume });
    }

    /** Makes a room; safe to repeat with the same key. `more` is what else the specification has of a room, and its first `members`. */
    create(room, { title = null, key = newKey(), ...more } = {}) {
        return this.#ask({ ...more, kind: 'create', key, room, title });
    }

    /** Joins a room, which is made if there is none. */
    async enter(room, { title = null } = {}) {
        try {
            return await this.join(room);
        } catch (error) {
            if (error.code !== ERRORS.room_not_found) throw error;
        }
        try {
            await this.create(room, { title });
        } catch (error) {
            // Somebody else was faster.
            if (error.code !== ERRORS.room_exists) throw error;
        }
        return this.join(room);
    }

    /** Ends the membership of a joined room. */
    leave(room) {
        return this.#ask({ kind: 'leave', room });
    }

    /** Says something in a joined room; done once the server has it on disk. */
    send(room, text, { key = newKey(), ...more } = {}) {
        return this.#ask({ ...more, kind: 'send', key, room, text });
    }

    /** Puts another text, and what else a message has, in the place of a message. */
    edit(room, target, text, { key = newKey(), ...more } = {}) {
        return this.#ask({ ...more, kind: 'edit', key, room, target, text });
    }

    /** Takes a message back. */
    delete(room, target, { key = newKey() } = {}) {
        return this.#ask({ kind: 'delete', key, room, target });
    }

    /** Adds or takes back a reaction. */
    react(room, target, emoji, on = true, { key = newKey() } = {}) {
        return this.#ask({ kind: 'react', key, room, target, emoji, on });
    }

    /** Says how far the user has read. */
    mark(room, seq, { thread = null, generation = 0, isPublic = false } = {}) {
        return this.#ask({ kind: 'mark', room, thread, generation, seq, public: isPublic });
    }

    /** A page of the user's rooms, with heads and counts. */
    rooms({ after = null, limit = 512 } = {}) {
        return this.#ask({ kind: 'list_rooms', limit, after });
    }

    /** Starts a stream, `personal` or `reports`; kept up like a room. */
    openStream(stream, { resume = null } = {}) {
        return this.#ask({ kind: 'open_stream', stream, resume });
    }

    /** Says what is on the screen: a joined room, a thread of it, or nothing. Kept up across reconnects. */
    view(room = null, thread = null) {
        return this.#ask({ kind: 'view', room, thread });
    }

    /** Signals to who shows a joined room; `body` is hex digits. The newest of a name wins, and nothing is answered. */
    signal(room, name, body = '') {
        return this.#ask({ kind: 'signal', room, name, body });
    }

    /**
     * Any request of the specification, with its fields, without its id: `{ kind: 'set_status', text: 'at lunch' }`.
     * It names a joined room by its id, and brings its own `key` where it has one ({@link newKey}).
     */
    ask(request) {
        return this.#ask(request);
    }

    /** A page of a joined room's timeline, or of a thread of it: below `before`, above `after`, or `around`. */
    history(room, { before, after, around, thread = null, limit = 50 }) {
        let [direction, anchor] = after === undefined ? ['before', before] : ['after', after];
        if (around !== undefined) [direction, anchor] = ['around', around];
        return this.#ask({ kind: 'history', room, direction, anchor, limit, thread });
    }

    setTyping(room, active, { thread = null } = {}) {
        return this.#ask({ kind: 'set_typing', room, active, thread });
    }

    /** Kept up across reconnects. @param {'active' | 'idle'} state */
    setPresence(state) {
        return this.#ask({ kind: 'set_presence', state });
    }

    /** Replaces the watched users; kept up across reconnects. @param {string[]} users */
    watch(users) {
        return this.#ask({ kind: 'watch', users });
    }

    /** A page of the members of a joined room. */
    members(room, { after = null, limit = 256 } = {}) {
        return this.#ask({ kind: 'list_members', room, limit, after });
    }

    /** Uses another proof from now on; after `authentication_needed` this connects again. */
    authenticate(auth) {
        this.#machine.authenticate(performance.now(), auth);
        this.#work();
    }

    /** Tries now what waits, and asks a connection that may be dead whether it is. */
    hurry() {
        this.#machine.hurry(performance.now());
        this.#work();
    }

    /** Says goodbye and ends: others see the device leave at once. */
    close() {
        this.#machine.close();
        this.#work();
    }

    #ask(command) {
        return new Promise((resolve, reject) => {
            this.#machine.submit(command, { resolve, reject });
            this.#work();
        });
    }

    /** Does all that the machine wants now, and sets the timer for what it wants later. */
    #work() {
        // An event handler may ask for more: the loop below sees to it.
        if (this.#working) return;
        this.#working = true;
        try {
            do {
                this.#tendSocket();
                this.#write();
                this.#deliver();
            } while (this.#machine.events.length > 0 || this.#machine.outcomes.length > 0);
        } finally {
            this.#working = false;
        }
        this.#arm();
    }

    /** Has a socket exactly while the machine wants one. */
    #tendSocket() {
        const { state } = this.#machine;
        const wanted = ['connecting', 'welcoming', 'live'].includes(state);
        if (this.#socket !== null && (!wanted || this.#socket.attempt !== this.#machine.attempt)) {
            const { socket } = this.#socket;
            this.#socket = null;
            socket.close(state === 'stopped' ? 1000 : GIVEN_UP);
        }
        if (wanted && this.#socket === null) this.#open();
        if (state === 'stopped') this.#unlisten();
    }

    #open() {
        const socket = new WebSocket(this.#url, SUBPROTOCOL);
        const current = { socket, attempt: this.#machine.attempt, wasOpen: false };
        this.#socket = current;
        socket.binaryType = 'arraybuffer';
        const hear = (take) => (event) => {
            if (this.#socket !== current) return;
            take(performance.now(), event);
            this.#work();
        };
        socket.onopen = hear((now) => {
            current.wasOpen = true;
            this.#machine.opened(now);
        });
        socket.onmessage = hear((now, { data }) => {
            if (typeof data === 'string') this.#machine.receiveText(now);
            else this.#machine.receive(now, new Uint8Array(data));
        });
        socket.onclose = hear((now, { code, reason }) => {
            this.#socket = null;
            if (current.wasOpen && code !== 1006) this.#machine.closed(now, code, reason);
            else this.#machine.lost(now, current.wasOpen ? 'the connection broke' : 'no connection');
        });
    }

    #write() {
        while (this.#socket !== null && this.#socket.socket.readyState === WebSocket.OPEN && !this.#isFull()) {
            const message = this.#machine.transmit(performance.now());
            if (message === null) return;
            this.#socket.socket.send(message);
        }
    }

    #isFull() {
        return this.#socket !== null && this.#socket.socket.bufferedAmount > BUFFERED_BYTES_MAX;
    }

    #deliver() {
        const { outcomes, events } = this.#machine;
        this.#machine.outcomes = [];
        this.#machine.events = [];
        for (const { asker, answer, error } of outcomes) {
            if (error) asker.reject(error);
            else asker.resolve(answer);
        }
        for (const event of events) {
            try {
                this.#onEvent(event);
            } catch (error) {
                // The app's mistake must not stop the connection; it is reported like any other.
                queueMicrotask(() => { throw error; });
            }
        }
    }

    /**
     * Set anew after everything that happens, messages too: a browser slows the timers of a hidden page
     * down that only follow from other timers, and a heartbeat must not be among them.
     */
    #arm() {
        clearTimeout(this.#timer);
        let waitMs = this.#machine.deadline() - performance.now();
        if (this.#isFull()) waitMs = Math.min(waitMs, BUFFERED_LOOK_MS);
        if (waitMs === Infinity) return;
        this.#timer = setTimeout(() => {
            this.#machine.tick(performance.now());
            this.#work();
        }, Math.max(waitMs, 0) + 1);
    }

    /** What a browser tells of its network and its page; elsewhere there is nothing to listen to. */
    #listenToDevice() {
        if (typeof window === 'undefined') return;
        const hurry = () => this.hurry();
        const look = () => { if (document.visibilityState === 'visible') this.hurry(); };
        // "offline" is a hint that may be wrong: the connection is asked, not dropped.
        for (const name of ['online', 'offline', 'pageshow']) window.addEventListener(name, hurry);
        document.addEventListener('visibilitychange', look);
        this.#unlisten = () => {
            for (const name of ['online', 'offline', 'pageshow']) window.removeEventListener(name, hurry);
            document.removeEventListener('visibilitychange', look);
        };
    }
}

/** 16 random bytes as 32 hex digits: an idempotency key, or the name of a device. */
export function newKey() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export { RequestError };
