/**
 * Reads MessagePack that nobody vouches for. Every length is checked against the bytes that are there
 * before anything is made of it, and what the protocol has no use for (floats, maps, extensions) is
 * walked over and becomes {@link FOREIGN}: later versions may send it in fields nobody knows yet.
 * @module
 */

import { LIMITS } from './limits.js';

/** A value of a type the protocol does not use. */
export const FOREIGN = Symbol('foreign');

/** The message is no sequence of frames: nothing of it may be used. */
export class MessageError extends Error {
    /** @param {string} what @param {number} at the byte */
    constructor(what, at) {
        super(`${what}, at byte ${at}`);
        this.name = 'MessageError';
        this.at = at;
    }
}

/**
 * The arrays a message consists of.
 * @param {Uint8Array} bytes
 * @param {number} bytesMax
 * @param {number} elementsMax of one frame
 * @returns {any[][]}
 * @throws {MessageError}
 */
export function readMessage(bytes, bytesMax, elementsMax) {
    if (bytes.length > bytesMax) throw new MessageError(`more than ${bytesMax} bytes`, bytesMax);
    if (bytes.length === 0) throw new MessageError('an empty message', 0);
    const reader = new Reader(bytes, elementsMax);
    const frames = [];
    while (!reader.isAtEnd()) {
        if (frames.length === LIMITS.frames_per_message_max) {
            throw new MessageError(`more than ${LIMITS.frames_per_message_max} frames`, reader.at);
        }
        frames.push(reader.frame());
    }
    return frames;
}

// A byte order mark is part of a text like any other character.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

class Reader {
    constructor(bytes, elementsMax) {
        this.elementsMax = elementsMax;
        this.bytes = bytes;
        this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
        this.at = 0;
        this.depth = 0;
        this.elements = 0;
    }

    isAtEnd() {
        return this.at === this.bytes.length;
    }

    frame() {
        const start = this.at;
        this.elements = 0;
        const value = this.value();
        if (!Array.isArray(value)) throw new MessageError('a frame that is no array', start);
        return value;
    }

    value() {
        const head = this.view.getUint8(this.take(1));
        if (head < 0x80) return head;
        if (head < 0x90) return this.map(head & 0x0f);
        if (head < 0xa0) return this.array(head & 0x0f);
        if (head < 0xc0) return this.text(head & 0x1f);
        if (head >= 0xe0) return head - 0x100;
        switch (head) {
            case 0xc0: return null;
            case 0xc2: return false;
            case 0xc3: return true;
            case 0xc4: return this.binary(this.uint(1));
            case 0xc5: return this.binary(this.uint(2));
            case 0xc6: return this.binary(this.uint(4));
            case 0xc7: return this.foreign(this.uint(1) + 1);
            case 0xc8: return this.foreign(this.uint(2) + 1);
            case 0xc9: return this.foreign(this.uint(4) + 1);
            case 0xca: return this.foreign(4);
            case 0xcb: return this.foreign(8);
            case 0xcc: return this.uint(1);
            case 0xcd: return this.uint(2);
            case 0xce: return this.uint(4);
            case 0xcf: return this.wide(this.view.getUint32(this.take(4)));
            case 0xd0: return this.view.getInt8(this.take(1));
            case 0xd1: return this.view.getInt16(this.take(2));
            case 0xd2: return this.view.getInt32(this.take(4));
            case 0xd3: return this.wide(this.view.getInt32(this.take(4)));
            case 0xd4: return this.foreign(2);
            case 0xd5: return this.foreign(3);
            case 0xd6: return this.foreign(5);
            case 0xd7: return this.foreign(9);
            case 0xd8: return this.foreign(17);
            case 0xd9: return this.text(this.uint(1));
            case 0xda: return this.text(this.uint(2));
            case 0xdb: return this.text(this.uint(4));
            case 0xdc: return this.array(this.uint(2));
            case 0xdd: return this.array(this.uint(4));
            case 0xde: return this.map(this.uint(2));
            case 0xdf: return this.map(this.uint(4));
            default: throw new MessageError('the byte c1, which is not MessagePack', this.at - 1);
        }
    }

    /** Where `count` bytes begin, which are there. */
    take(count) {
        const start = this.at;
        if (count > this.bytes.length - start) throw new MessageError('cut off', start);
        this.at += count;
        return start;
    }

    uint(width) {
        const start = this.take(width);
        if (width === 1) return this.view.getUint8(start);
        return width === 2 ? this.view.getUint16(start) : this.view.getUint32(start);
    }

    /** A number of 64 bits, of which the protocol uses 53: no double is rounded. */
    wide(high) {
        const low = this.uint(4);
        const number = high * 0x1_0000_0000 + low;
        if (!Number.isSafeInteger(number)) throw new MessageError('more than 53 bits', this.at - 9);
        return number;
    }

    text(length) {
        const start = this.take(length);
        try {
            return utf8.decode(this.bytes.subarray(start, this.at));
        } catch {
            throw new MessageError('a text that is not UTF-8', start);
        }
    }

    binary(length) {
        const start = this.take(length);
        return this.bytes.slice(start, this.at);
    }

    foreign(length) {
        this.take(length);
        return FOREIGN;
    }

    array(count) {
        const values = [];
        this.enter(count);
        for (let left = count; left > 0; left -= 1) values.push(this.value());
        this.depth -= 1;
        return values;
    }

    map(pairs) {
        this.enter(2 * pairs);
        for (let left = 2 * pairs; left > 0; left -= 1) this.value();
        this.depth -= 1;
        return FOREIGN;
    }

    enter(elements) {
        this.depth += 1;
        this.elements += elements;
        if (this.depth > LIMITS.depth_max) throw new MessageError('nested too deep', this.at);
        if (this.elements > this.elementsMax) throw new MessageError('too many elements', this.at);
    }
}
