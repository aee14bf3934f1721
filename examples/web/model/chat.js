/**
 * One person's rooms, kept up to date by one client. It tells its one listener when something is to be
 * shown anew, and says nothing about how.
 * @module
 */

import { Client, ERRORS, RequestError, newKey } from '../../../clients/web/index.js';
import { Room } from './room.js';
import { ROOMS_MAX, whoOf } from './shelf.js';

const PAGE = 50;
/** A typing user says so at most this often. */
const TYPING_EVERY_MS = 3000;
/** Changes of who is shown are watched together. */
const WATCH_AFTER_MS = 200;
const WATCHED_MAX = 256;

export class Chat {
    /** @type {Map<string, Room>} */
    rooms = new Map();
    /** @type {Room | null} */
    current = null;
    /** @type {Map<string, string>} */
    presence = new Map();
    /** @type {{ state: 'connecting' | 'live' | 'waiting' | 'ended', hasBeenLive: boolean, why?: object }} */
    link = { state: 'connecting', hasBeenLive: false };
    /** Whether the newest message of the current room is on the screen and looked at. */
    isLooking = () => false;
    /** Whether one reads further up in the current room. */
    isReadingBack = () => false;
    #client;
    #shelf;
    #who;
    #changed;
    #typedAt = null;
    #watchTimer = null;

    /**
     * @param {{ url: string, tenant: string, name: string, shelf: import('./shelf.js').Shelf,
     *     changed: (what?: { message?: object, room?: Room }) => void }} options
     */
    constructor({ url, tenant, name, shelf, changed }) {
        this.me = name;
        this.tenant = tenant;
        this.#shelf = shelf;
        this.#who = whoOf(tenant, name);
        this.#changed = changed;
        this.#client = new Client({
            url,
            tenant,
            auth: { guest: name },
            device: shelf.device(newKey),
            onEvent: (event) => this.#happened(event),
        });
        for (const { id, title } of shelf.rooms(this.#who)) this.#add(id, title);
    }

    /** Shows a room, and enters it if one is not in it yet; `false` when there are too many. @param {string | null} title for a room that is new */
    open(id, title = null) {
        this.stopTyping();
        let room = this.rooms.get(id);
        if (!room) {
            if (this.rooms.size >= ROOMS_MAX) return false;
            room = this.#add(id, title);
        } else if (['failed', 'left', 'removed'].includes(room.state)) {
            this.#enter(room, title);
        }
        this.current = room;
        room.freshAfter = room.unread > 0 && room.seen !== null ? room.seen.seq : null;
        this.#watchSoon();
        this.#changed();
        return true;
    }

    /** Leaves a room for good. */
    async leave(room) {
        if (room.state === 'joined') {
            try {
                await this.#client.leave(room.id);
            } catch (error) {
                if (error.reason !== 'not_joined' && error.code !== ERRORS.not_member) return;
            }
        }
        for (const { key } of room.pending) this.#shelf.drop(this.#who, key);
        this.rooms.delete(room.id);
        this.#shelf.dropRoom(this.#who, room.id);
        if (this.current === room) this.current = null;
        this.#changed();
    }

    /** Says something in the current room. It is kept until the server has it. */
    say(text) {
        const room = this.current;
        const message = { key: newKey(), room: room.id, text, at: Date.now() };
        this.#shelf.keep(this.#who, message);
        room.write(message);
        room.freshAfter = null;
        this.#typedAt = null;
        this.#send(room);
        this.#changed();
    }

    /** Sends a message again that failed, as a new one. */
    again(room, key) {
        const failed = room.pending.find((pending) => pending.key === key);
        const message = { key: newKey(), room: room.id, text: failed.text, at: Date.now() };
        // A page that ends between the two shall rather know both than neither: the old one waits for a word.
        this.#shelf.keep(this.#who, message);
        this.discard(room, key);
        room.write(message);
        this.#send(room);
        this.#changed();
    }

    discard(room, key) {
        this.#shelf.drop(this.#who, key);
        room.forget(key);
        this.#changed();
    }

    /** Reads a page further back. */
    async older(room) {
        if (room.loading || !room.more || room.state !== 'joined') return;
        room.loading = true;
        const { life } = room;
        try {
            const page = await this.#client.history(room.id, { before: room.anchor, limit: PAGE });
            // A reset while it was on its way has asked for its own first page.
            if (room.life !== life) return;
            room.prepend(page);
        } catch (error) {
            if (!(error instanceof RequestError)) throw error;
            room.loading = false;
        }
        this.#changed();
    }

    typing() {
        const now = performance.now();
        if (this.current?.state !== 'joined' || (this.#typedAt !== null && now - this.#typedAt < TYPING_EVERY_MS)) return;
        this.#typedAt = now;
        this.#client.setTyping(this.current.id, true).catch(ignore);
    }

    stopTyping() {
        if (this.#typedAt === null) return;
        this.#typedAt = null;
        this.#client.setTyping(this.current.id, false).catch(ignore);
    }

    /** The current room was looked at to its end. */
    look() {
        const room = this.current;
        if (room === null || room.position === null || !room.loaded) return;
        const { seen } = room;
        if (seen?.epoch === room.position.epoch && seen.seq === room.position.seq) return;
        room.look();
        this.#shelf.setSeen(this.#who, room.id, room.position);
        this.#changed();
    }

    /** @param {'active' | 'idle'} state */
    setPresence(state) {
        this.#client.setPresence(state).catch(ignore);
    }

    hurry() {
        this.#client.hurry();
    }

    close() {
        clearTimeout(this.#watchTimer);
        this.#client.close();
    }

    #add(id, title) {
        const room = new Room({ id, title: title ?? id, me: this.me });
        this.rooms.set(id, room);
        room.seen = this.#shelf.seen(this.#who, id);
        for (const message of this.#shelf.kept(this.#who)) if (message.room === id) room.write(message);
        this.#shelf.setRoom(this.#who, room);
        this.#enter(room, title === id ? null : title);
        return room;
    }

    async #enter(room, title) {
        room.state = 'joining';
        room.problem = null;
        try {
            const joined = await this.#client.enter(room.id, { title });
            room.state = 'joined';
            room.memberCount = joined.members;
            // A reset that came with the answer was told before it.
            await this.#begin(room, this.#client.position(room.id) ?? joined.position);
        } catch (error) {
            if (!(error instanceof RequestError)) throw error;
            if (error.reason === 'stopped') return;
            room.state = 'failed';
            room.problem = problemOf(error);
        }
        this.#changed();
    }

    /** Reads what there is to know about a room whose stream begins at `position`. */
    async #begin(room, position) {
        room.begin(position);
        this.#send(room);
        this.#changed();
        await Promise.all([this.older(room), this.#readMembers(room), this.#readTitle(room)]);
    }

    async #readTitle(room) {
        try {
            const { events: [first] } = await this.#client.history(room.id, { after: 0, limit: 1 });
            if (first?.body.kind === 'room_created') room.nameIt(first.body.title);
            // Whoever left meanwhile is not brought back.
            if (this.rooms.get(room.id) === room) this.#shelf.setRoom(this.#who, room);
        } catch (error) {
            ignore(error);
        }
    }

    async #readMembers(room) {
        try {
            const { users, more } = await this.#client.members(room.id, { limit: WATCHED_MAX });
            room.setMembers(users, more ? room.memberCount : users.length);
        } catch (error) {
            ignore(error);
        }
        if (room === this.current) this.#watchSoon();
        this.#changed();
    }

    #send(room) {
        if (room.state !== 'joined') return;
        for (const one of room.pending.filter(({ state }) => state === 'unsent')) {
            one.state = 'sent';
            this.#deliver(room, one);
        }
    }

    async #deliver(room, { key, text }) {
        try {
            const { position } = await this.#client.send(room.id, text, { key });
            this.#shelf.drop(this.#who, key);
            room.settle(key, position);
        } catch (error) {
            if (!(error instanceof RequestError)) throw error;
            if (error.reason !== 'stopped') room.fail(key, problemOf(error));
        }
        this.#changed();
    }

    #watchSoon() {
        clearTimeout(this.#watchTimer);
        this.#watchTimer = setTimeout(() => this.#watch(), WATCH_AFTER_MS);
    }

    async #watch() {
        const users = [...(this.current?.members ?? [])].slice(0, WATCHED_MAX);
        try {
            const { users: states } = await this.#client.watch(users);
            this.presence = new Map(states.map(({ user, presence }) => [user, presence]));
        } catch (error) {
            ignore(error);
        }
        this.#changed();
    }

    #happened(event) {
        const room = this.rooms.get(event.room);
        switch (event.type) {
            case 'connected':
                this.link = { state: 'live', hasBeenLive: true };
                break;
            case 'disconnected':
                this.link = { ...this.link, state: 'waiting', why: event.why };
                this.#typedAt = null;
                for (const each of this.rooms.values()) each.typers = { users: [], count: 0 };
                break;
            case 'authentication_needed':
            case 'stopped':
                this.link = { ...this.link, state: 'ended', why: event.why ?? event };
                break;
            case 'timeline':
                // Before the answer to the join nothing comes; a room that was closed here is not shown.
                if (room?.position) this.#timeline(room, event);
                return;
            case 'passed':
                if (room?.position) room.pass(event.position, event.members);
                break;
            case 'typing':
                if (room && event.thread === null) room.typers = { users: event.users.filter((user) => user !== this.me), count: event.count - (event.users.includes(this.me) ? 1 : 0) };
                break;
            case 'presence':
                for (const { user, presence } of event.users) this.presence.set(user, presence);
                break;
            case 'reset':
                if (room?.state === 'joined') this.#begin(room, event.position);
                break;
            case 'removed':
                if (room) room.state = ['removed', 'banned', 'hidden'].includes(event.why.cause) ? 'removed' : 'left';
                break;
            default:
        }
        this.#changed();
    }

    #timeline(room, { event, position }) {
        const isLooking = room === this.current && this.isLooking();
        if (room === this.current && !isLooking && event.author !== this.me) room.freshAfter ??= event.seq - 1;
        room.append(event, position, room !== this.current || !this.isReadingBack());
        if (isLooking) {
            room.look();
            this.#shelf.setSeen(this.#who, room.id, position);
        }
        if (event.body.kind.startsWith('member_') && room === this.current) this.#watchSoon();
        this.#changed(event.body.kind === 'message' && event.author !== this.me ? { message: event, room } : undefined);
    }
}

/** A signal or a look-up that failed is not worth a word: it is asked again, or nobody misses it. */
function ignore(error) {
    if (!(error instanceof RequestError)) throw error;
}

/** One sentence for people. */
function problemOf(error) {
    if (error.reason === 'queue_full') return 'too many messages wait already';
    if (error.reason === 'not_joined' || error.code === ERRORS.not_member) return 'you are no longer in this room';
    if (error.reason === 'invalid') return error.message;
    if (error.code === ERRORS.too_many) return 'a limit of the server is reached';
    if (error.code === ERRORS.forbidden) return 'you may not do this here';
    return 'the server refused it';
}
