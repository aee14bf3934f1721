/**
 * How a request that was not done ended.
 * @module
 */

/**
 * @typedef {'refused' | 'queue_full' | 'too_many_rooms' | 'not_joined' | 'already_joined' | 'too_long'
 *     | 'invalid' | 'disconnected' | 'unreadable' | 'stopped'} Cause
 */

export class RequestError extends Error {
    /**
     * @param {Cause} cause
     * @param {string} explanation for the developer
     * @param {number | null} code the server's, when it refused
     */
    constructor(cause, explanation, code = null) {
        super(explanation);
        this.name = 'RequestError';
        /** Why: enough to act on. @type {Cause} */
        this.reason = cause;
        /** An error code of the protocol, when `reason` is `refused`. */
        this.code = code;
    }
}
