/**
 * How long to wait before trying again. A thousand clients that lost the same server must not come back
 * at the same instant: each waits a random part of a ceiling that doubles ("full jitter").
 * @module
 */

export class Backoff {
    #baseMs;
    #maxMs;
    #random;
    #failures = 0;

    /** @param {() => number} random in [0, 1) */
    constructor(baseMs, maxMs, random) {
        this.#baseMs = baseMs;
        this.#maxMs = maxMs;
        this.#random = random;
    }

    /** The wait after one more failure in a row. */
    nextMs() {
        this.#failures += 1;
        return this.afterMs(this.#failures - 1);
    }

    /** The wait before an attempt that follows `failures` others, for what is counted elsewhere. */
    afterMs(failures) {
        return this.#upTo(Math.min(this.#baseMs * 2 ** failures, this.#maxMs));
    }

    /** `ms`, or up to a quarter more: for a wait the server named to everyone alike. */
    spreadMs(ms) {
        return ms + this.#upTo(ms / 4);
    }

    /** A success: the next ceiling is the first again. */
    reset() {
        this.#failures = 0;
    }

    #upTo(max) {
        return Math.round(this.#random() * max);
    }
}
