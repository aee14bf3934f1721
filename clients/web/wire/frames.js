/**
 * The codec: it reads the tables of `client.js` and `server.js` in both directions. A frame
 * is a plain object, `{ kind: 'send', id: 6, key: '…', room: 7, text: 'hi' }`, with the names and the
 * order of the specification; nil is `null`.
 * @module
 */

import { ERRORS } from './codes.js';
import { LIMITS } from './limits.js';
import { CLIENT } from './client.js';
import { readMessage } from './reader.js';
import { SERVER } from './server.js';
import * as t from './types.js';
import { Writer } from './writer.js';

const ENCODING = { ...CLIENT, ...SERVER };
const DECODING = { client: byNumber(CLIENT), server: byNumber(SERVER) };
// Where field 1 is the id of a request: what a client sends, and what a server answers.
const WITH_ID = { client: [16, 63], server: [64, 95] };

function byNumber(frames) {
    return new Map(Object.entries(frames).map(([kind, [number, table]]) => [number, { kind, table }]));
}

/** A frame that was refused; the others of its message stand. */
export class FrameError extends Error {
    /** @param {{ code: number, id?: number | null, field?: string | null, position?: number, problem: string }} what */
    constructor({ code, id = null, field = null, position = null, problem }) {
        super(field === null ? problem : `field ${position} (${field}) ${problem}`);
        this.name = 'FrameError';
        /** The error code a server answers with: {@link ERRORS}. */
        this.code = code;
        /** The request it is about, where that could be read. */
        this.id = id;
        this.field = field;
        this.position = position;
    }
}

/** The bytes of one frame. */
export function encodeFrame(frame) {
    const [number, table] = ENCODING[frame.kind];
    const writer = new Writer();
    t.writeArray([number], table, writer, frame);
    return writer.finish();
}

/**
 * The frames of a message, each readable or a {@link FrameError}.
 * @param {Uint8Array} bytes
 * @param {'client' | 'server'} sender
 * @returns {(object | FrameError)[]}
 * @throws {import('./reader.js').MessageError} nothing of the message may be used
 */
export function decodeMessage(bytes, sender) {
    const [bytesMax, elementsMax] = sender === 'client'
        ? [LIMITS.client_message_bytes_max, LIMITS.elements_max]
        : [LIMITS.server_message_bytes_max, LIMITS.server_elements_max];
    return readMessage(bytes, bytesMax, elementsMax).map((values) => decodeFrame(values, sender));
}

function decodeFrame(values, sender) {
    const number = values[0];
    if (!Number.isInteger(number) || number < 0) {
        return new FrameError({ code: ERRORS.malformed, problem: 'a frame without a kind' });
    }
    const [first, last] = WITH_ID[sender];
    const hasId = number >= first && number <= last && Number.isInteger(values[1]) && values[1] >= 0;
    const id = hasId ? values[1] : null;
    const known = DECODING[sender].get(number);
    if (!known) return new FrameError({ code: ERRORS.unknown_kind, id, problem: `unknown kind ${number}` });
    try {
        return { kind: known.kind, ...t.readFields(known.table, values, 1) };
    } catch (error) {
        if (!(error instanceof t.FieldError)) throw error;
        const { path: field, position: at, message: problem } = error;
        return new FrameError({ code: ERRORS.invalid_field, id, field, position: at, problem });
    }
}
