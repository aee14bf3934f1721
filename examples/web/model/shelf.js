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

    /** @returns {{ id: string, title: string }[]} */
    rooms(who) {
        const rooms = this.#read(`rooms:${who}`, []);
        return Array.isArray(rooms) ? rooms.filter((room) => typeof room?.id === 'string').slice(0, ROOMS_MAX) : [];
    }

    setRooms(who, rooms) {
        this.#write(`rooms:${who}`, rooms.slice(0, ROOMS_MAX));
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
        return kept.filter((one) => typeof one?.text === 'string').sort((a, b) => a.at - b.at);
    }

    /** Keeps a message; `false` when that is not possible. @param {Kept} message */
    keep(who, message) {
        if (this.#keys(`kept:${who}:`).length >= DRAFTS_MAX) return false;
        return this.#write(`kept:${who}:${message.key}`, message);
    }

    drop(who, key) {
        try {
            this.#storage?.removeItem(`${PREFIX}kept:${who}:${key}`);
        } catch { /* It is sent twice under one key, which is once. */ }
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
