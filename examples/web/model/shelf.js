/**
 * What this browser remembers: who one is, which rooms one is in, how far one has read, and messages
 * that are not acknowledged yet. Each of those has an entry of its own, so that two tabs never overwrite
 * each other's. Where nothing can be stored, the page works and forgets.
 * @module
 */

const PREFIX = 'homeroom:';
/** Most rooms in the list. */
export const ROOMS_MAX = 50;
/** Most messages kept unacknowledged. */
export const DRAFTS_MAX = 200;

/** @typedef {{ key: string, room: string, text: string, at: number }} Kept */

/** Whom a shelf keeps things for. A name may hold a colon, and what is kept for one is no other's. */
export function whoOf(tenant, name) {
    return `${tenant}:${name.replaceAll('%', '%25').replaceAll(':', '%3A')}`;
}

export class Shelf {
    #storage;

    /** @param {Storage | null} storage */
    constructor(storage) {
        this.#storage = storage;
    }

    get name() {
        return this.#read('name', null);
    }

    set name(name) {
        this.#write('name', name);
    }

    /** This installation, chosen at random once. @param {() => string} choose */
    device(choose) {
        const device = this.#read('device', null) ?? choose();
        this.#write('device', device);
        return device;
    }

    /** The rooms one is in, in the order one came. @returns {{ id: string, title: string }[]} */
    rooms(who) {
        const rooms = this.#keys(`room:${who}:`).map((key) => this.#read(key, null));
        const known = rooms.filter((room) => typeof room?.id === 'string' && typeof room.title === 'string');
        return known.sort((a, b) => a.since - b.since).slice(0, ROOMS_MAX).map(({ id, title }) => ({ id, title }));
    }

    /** @param {{ id: string, title: string }} room one that is entered or has another title */
    setRoom(who, { id, title }) {
        const key = `room:${who}:${id}`;
        const since = this.#read(key, null)?.since ?? Date.now();
        this.#write(key, { id, title, since });
    }

    dropRoom(who, id) {
        this.#remove(`room:${who}:${id}`);
    }

    /** How far one has read in a room. @returns {{ epoch: number, seq: number } | null} */
    seen(who, room) {
        return this.#read(`seen:${who}:${room}`, null);
    }

    setSeen(who, room, position) {
        this.#write(`seen:${who}:${room}`, position);
    }

    /** Unacknowledged messages, the oldest first. @returns {Kept[]} */
    kept(who) {
        const prefix = `kept:${who}:`;
        const kept = this.#keys(prefix).map((key) => this.#read(key, null));
        return kept.filter((one) => typeof one?.text === 'string' && Number.isFinite(one.at)).sort((a, b) => a.at - b.at);
    }

    /** Keeps a message; `false` when that is not possible. @param {Kept} message */
    keep(who, message) {
        if (this.#keys(`kept:${who}:`).length >= DRAFTS_MAX) return false;
        return this.#write(`kept:${who}:${message.key}`, message);
    }

    /** Where this fails it is sent twice under one key, which is once. */
    drop(who, key) {
        this.#remove(`kept:${who}:${key}`);
    }

    #keys(prefix) {
        try {
            return Object.keys(this.#storage ?? {})
                .filter((key) => key.startsWith(PREFIX + prefix))
                .map((key) => key.slice(PREFIX.length));
        } catch {
            return [];
        }
    }

    #remove(key) {
        try {
            this.#storage?.removeItem(PREFIX + key);
        } catch { /* Then it stays. */ }
    }

    #read(key, otherwise) {
        try {
            return JSON.parse(this.#storage?.getItem(PREFIX + key) ?? 'null') ?? otherwise;
        } catch {
            return otherwise;
        }
    }

    #write(key, value) {
        try {
            this.#storage?.setItem(PREFIX + key, JSON.stringify(value));
            return this.#storage !== null;
        } catch {
            return false;
        }
    }
}
