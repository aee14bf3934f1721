/**
 * The joined rooms and streams: where each stands, and the number it goes by on this connection.
 * @module
 */

/** The server did what it must not. The client reconnects and resumes, so that the app sees none of it. */
export class Violation extends Error {}

/** A room or stream that the app joined, or is about to. */
export class Room {
    /** Its number on this connection, once joined on it. */
    number = null;

    /**
     * @param {string} id of a room; of a stream its name
     * @param {{ epoch: number, seq: number } | null} cursor the last event handed to the app
     * @param {any} asker who waits for the first join
     */
    constructor(id, cursor, asker, { isStream = false } = {}) {
        this.id = id;
        this.isStream = isStream;
        this.cursor = cursor;
        this.asker = asker;
        this.lane = null;
    }

    /** Moves on to the next event, or over the events up to `to`: the first of them must be the next. */
    advance(epoch, seq, to = seq) {
        if (this.cursor.epoch !== epoch) throw new Violation(`room ${this.id}: another epoch without a reset`);
        if (this.cursor.seq + 1 !== seq || to < seq) {
            throw new Violation(`room ${this.id}: seq ${seq} came after ${this.cursor.seq}`);
        }
        this.cursor = { epoch, seq: to };
        return this.cursor;
    }
}

export class Rooms {
    /** @type {Map<string, Room>} */
    #byId = new Map();
    /** Apart from the rooms, whose ids may be any text. @type {Map<string, Room>} */
    #streams = new Map();
    /** @type {Map<number, Room>} */
    #byNumber = new Map();

    get count() {
        return this.#byId.size + this.#streams.size;
    }

    * [Symbol.iterator]() {
        yield* this.#byId.values();
        yield* this.#streams.values();
    }

    stream(name) {
        return this.#streams.get(name) ?? null;
    }

    get(id) {
        return this.#byId.get(id) ?? null;
    }

    byNumber(number) {
        return this.#byNumber.get(number) ?? null;
    }

    has(room) {
        return this.#of(room).get(room.id) === room;
    }

    add(room) {
        this.#of(room).set(room.id, room);
    }

    #of(room) {
        return room.isStream ? this.#streams : this.#byId;
    }

    remove(room) {
        this.#of(room).delete(room.id);
        if (room.number !== null) this.#byNumber.delete(room.number);
    }

    /** Gives a room its number on this connection. */
    number(room, number) {
        const other = this.#byNumber.get(number) ?? room;
        if (other !== room) throw new Violation(`rooms ${room.id} and ${other.id} have the same number`);
        this.#byNumber.set(number, room);
        room.number = number;
    }

    /** The connection is gone, and the numbers with it. */
    forgetNumbers() {
        this.#byNumber.clear();
        for (const room of this) room.number = null;
    }
}
