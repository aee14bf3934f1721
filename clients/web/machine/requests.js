/**
 * Everything asked and not yet answered. Each room has a lane of its own, and so has the connection:
 * within a lane requests go out in the order they were asked in, one lane never waits for another. What
 * was on its way when a connection ended goes back to its place in its lane, key and all.
 * @module
 */

/**
 * @typedef {object} Pending
 * @property {object} request a frame of the protocol without its id
 * @property {Lane} lane
 * @property {any} asker who waits for the answer; null when the machine asked it itself
 * @property {number} attempts how often it was written to a connection
 * @property {number} order
 */

/** The order of what the machine itself asks: before all that the app asked. */
const FIRST = 0;

export class Lane {
    /** @type {Pending[]} ascending in `order` */
    waiting = [];
    /** @type {'shut' | 'joining' | 'open'} nothing, the join that opens it, or everything may go out */
    gate = 'shut';
    pausedUntil = null;

    /** @param {object | null} room null for the lane of the connection */
    constructor(room) {
        this.room = room;
    }

    mayGo() {
        if (this.waiting.length === 0 || this.pausedUntil !== null || this.gate === 'shut') return false;
        return this.gate === 'open' || this.waiting[0].order === FIRST;
    }
}

export class Requests {
    /** What concerns no joined room. */
    connection = new Lane(null);
    #lanes = new Set([this.connection]);
    /** @type {Map<number, Pending>} */
    #flight = new Map();
    #nextOrder = FIRST + 1;
    #nextId = 1;
    #asked = 0;
    #askedMax;

    /** The app may have at most `askedMax` unanswered. */
    constructor(askedMax) {
        this.#askedMax = askedMax;
    }

    isFull() {
        return this.#asked >= this.#askedMax;
    }

    get inFlight() {
        return this.#flight.size;
    }

    /** The id under which the next request goes out. */
    get nextId() {
        return this.#nextId;
    }

    openLane(room) {
        const lane = new Lane(room);
        this.#lanes.add(lane);
        return lane;
    }

    /** Queues what the app asked. */
    ask(lane, request, asker) {
        this.#asked += 1;
        this.putBack({ request, lane, asker, attempts: 0, order: this.#nextOrder });
        this.#nextOrder += 1;
    }

    /** Queues what the machine needs, ahead of all else in the lane. */
    askFirst(lane, request) {
        this.putBack({ request, lane, asker: null, attempts: 0, order: FIRST });
    }

    /** Puts something in its place: it was not answered, or is to be asked again. */
    putBack(pending) {
        const { waiting } = pending.lane;
        let at = waiting.length;
        while (at > 0 && waiting[at - 1].order > pending.order) at -= 1;
        waiting.splice(at, 0, pending);
    }

    /** Puts something back, and lets nothing out of its lane before `until`. */
    pause(pending, until) {
        this.putBack(pending);
        pending.lane.pausedUntil = until;
    }

    /** Lets the lanes go on whose pause is over. */
    wake(now) {
        for (const lane of this.#lanes) {
            if (lane.pausedUntil !== null && lane.pausedUntil <= now) lane.pausedUntil = null;
        }
    }

    /** When the next pause is over; Infinity without one. */
    nextWake() {
        let next = Infinity;
        for (const lane of this.#lanes) {
            if (lane.pausedUntil !== null) next = Math.min(next, lane.pausedUntil);
        }
        return next;
    }

    /** The next one to go out, each lane having its turn; null when nothing may. @returns {Pending | null} */
    take() {
        for (const lane of this.#lanes) {
            if (!lane.mayGo()) continue;
            // The lane goes to the end of the line.
            this.#lanes.delete(lane);
            this.#lanes.add(lane);
            return lane.waiting.shift();
        }
        return null;
    }

    /** Counts something as on its way, under {@link nextId}. */
    fly(pending) {
        pending.attempts += 1;
        this.#flight.set(this.#nextId, pending);
        this.#nextId += 1;
    }

    /** What was asked under this id, once; it is still counted as asked. */
    land(id) {
        const pending = this.#flight.get(id) ?? null;
        this.#flight.delete(id);
        return pending;
    }

    /** The asker of something that is over. */
    settle(pending) {
        if (pending.asker !== null) this.#asked -= 1;
        return pending.asker;
    }

    /**
     * The connection is gone: shuts every lane, forgets what the machine asked, and puts back what the
     * app asked. `expired` makes no sense later (typing). `left` are the rooms that a leave on its way
     * may have ended: the leave itself is asked again on the lane of the connection.
     */
    ground() {
        const expired = [];
        const left = [];
        const keep = (pending) => {
            if (pending.asker === null) return false;
            if (pending.request.kind !== 'set_typing') return true;
            expired.push(this.settle(pending));
            return false;
        };
        for (const lane of this.#lanes) {
            lane.gate = 'shut';
            lane.pausedUntil = null;
            lane.waiting = lane.waiting.filter(keep);
        }
        const flight = [...this.#flight.values()];
        this.#flight.clear();
        for (const pending of flight.filter(keep)) {
            if (pending.request.kind === 'leave' && pending.lane.room !== null) {
                left.push(pending.lane.room);
                pending.lane = this.connection;
            }
            this.putBack(pending);
        }
        return { expired, left };
    }

    /**
     * The room of a lane is gone. What never went out is given back; what did may have been done, so it
     * stays, on the lane of the connection, to get its true answer.
     */
    closeLane(lane) {
        this.#lanes.delete(lane);
        for (const pending of this.#flight.values()) {
            if (pending.lane === lane) pending.lane = this.connection;
        }
        const givenBack = [];
        for (const pending of lane.waiting) {
            if (pending.asker === null) continue;
            if (pending.attempts === 0) {
                givenBack.push(this.settle(pending));
            } else {
                pending.lane = this.connection;
                this.putBack(pending);
            }
        }
        lane.waiting = [];
        return givenBack;
    }

    /** Everyone who waits, for when the client ends. */
    drain() {
        const waiting = [...this.#lanes].flatMap((lane) => lane.waiting);
        const all = [...this.#flight.values(), ...waiting];
        this.#lanes = new Set([this.connection]);
        this.#flight.clear();
        this.connection.waiting = [];
        return all.map((pending) => this.settle(pending)).filter((asker) => asker !== null);
    }
}
