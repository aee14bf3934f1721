/**
 * One connection: what the server said about it at the welcome, and when each side was last heard. A
 * dead connection looks like a quiet one until somebody asks; so each side asks, in time.
 * @module
 */

const HEARTBEAT_MS_MIN = 100;
const HEARTBEAT_MS_MAX = 3_600_000;
/** How long the answer to a ping may take, as the specification advises. */
const PONG_MS_MAX = 10_000;
/** The same when there is reason to believe that the connection is gone. */
const DOUBTED_PONG_MS_MAX = 3000;

export class Link {
    /** The end of what is waited for: the socket, the welcome. */
    until;
    helloWritten = false;
    requestsMax = 1;
    messageBytesMax = 65_536;
    #welcomedAt = null;
    #heartbeatMs = HEARTBEAT_MS_MAX;
    #heardAt;
    #saidAt;
    #pongBy = null;
    #pingWanted = false;
    #doubted = false;
    #nextNonce = 1;

    constructor(now, timeoutMs) {
        this.until = now + timeoutMs;
        this.#heardAt = now;
        this.#saidAt = now;
    }

    welcomed(now, welcome) {
        this.#welcomedAt = now;
        this.#heartbeatMs = Math.min(Math.max(welcome.heartbeat_ms, HEARTBEAT_MS_MIN), HEARTBEAT_MS_MAX);
        this.requestsMax = Math.max(welcome.requests_in_flight_max, 1);
        this.messageBytesMax = welcome.message_bytes_max;
    }

    /** For how long the server had welcomed this client. */
    livedMs(now) {
        return this.#welcomedAt === null ? 0 : now - this.#welcomedAt;
    }

    heard(now) {
        this.#heardAt = now;
        this.#pongBy = null;
        this.#doubted = false;
    }

    said(now) {
        this.#saidAt = now;
    }

    /** Something makes it unlikely that the other side is still there: asks at once. */
    doubt() {
        this.#doubted = true;
        this.#pingWanted = true;
    }

    /** Wants a ping when this side was silent for most of a heartbeat, or the other for a whole one. */
    beat(now) {
        const listensInVain = this.#pongBy === null && now >= this.#heardAt + this.#heartbeatMs;
        if (now >= this.#sayBy() || listensInVain) this.#pingWanted = true;
    }

    /** The number of the ping to write, or null. */
    takePing(now) {
        if (!this.#pingWanted) return null;
        this.#pingWanted = false;
        this.#pongBy = now + (this.#doubted ? DOUBTED_PONG_MS_MAX : PONG_MS_MAX);
        this.#nextNonce += 1;
        return this.#nextNonce - 1;
    }

    /** Whether nothing was heard for too long. */
    isSilent(now) {
        return now >= this.#deadAt();
    }

    silentMs(now) {
        return now - this.#heardAt;
    }

    nextHeartbeat() {
        const listenBy = this.#pongBy === null ? this.#heardAt + this.#heartbeatMs : this.#deadAt();
        return this.#pingWanted ? this.#deadAt() : Math.min(this.#sayBy(), listenBy);
    }

    #sayBy() {
        return this.#saidAt + this.#heartbeatMs * 0.75;
    }

    #deadAt() {
        const silent = this.#heardAt + 2 * this.#heartbeatMs;
        return this.#pongBy === null ? silent : Math.min(silent, this.#pongBy);
    }
}
