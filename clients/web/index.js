/**
 * Homeroom for browsers. Start with {@link Client}.
 * @module
 */

export { Client, RequestError, newKey } from './client.js';
export { Machine } from './machine/machine.js';
export { CLOSES, ERRORS } from './wire/codes.js';
export { LIMITS, bytesOf } from './wire/limits.js';
