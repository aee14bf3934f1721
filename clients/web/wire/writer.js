/**
 * Writes the part of MessagePack the protocol uses, every number and length in its shortest form, so
 * that equal frames are equal bytes.
 * @module
 */

const encoder = new TextEncoder();

export class Writer {
    #bytes = new Uint8Array(256);
    #view = new DataView(this.#bytes.buffer);
    #length = 0;

    /** What was written; a copy. */
    finish() {
        return this.#bytes.slice(0, this.#length);
    }

    nil() {
        this.#byte(0xc0);
    }

    boolean(value) {
        this.#byte(value ? 0xc3 : 0xc2);
    }

    /** @param {number} value 0 to 2^53 - 1 */
    uint(value) {
        if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`not a uint: ${value}`);
        if (value < 0x80) {
            this.#byte(value);
        } else if (value < 0x1_0000_0000) {
            this.#headed(0xcc, value);
        } else {
            this.#byte(0xcf);
            const at = this.#grow(8);
            this.#view.setUint32(at, Math.floor(value / 0x1_0000_0000));
            this.#view.setUint32(at + 4, value % 0x1_0000_0000);
        }
    }

    /** @param {string} value */
    text(value) {
        const bytes = encoder.encode(value);
        if (bytes.length < 32) this.#byte(0xa0 | bytes.length);
        else this.#headed(0xd9, bytes.length);
        this.#copy(bytes);
    }

    /** @param {Uint8Array} bytes */
    binary(bytes) {
        this.#headed(0xc4, bytes.length);
        this.#copy(bytes);
    }

    /** The head of an array; its elements follow. @param {number} count */
    array(count) {
        if (count < 16) {
            this.#byte(0x90 | count);
        } else if (count < 0x1_0000) {
            this.#byte(0xdc);
            this.#view.setUint16(this.#grow(2), count);
        } else {
            this.#byte(0xdd);
            this.#view.setUint32(this.#grow(4), count);
        }
    }

    /** A number of 8, 16 or 32 bits behind the byte that says which: three bytes in a row. */
    #headed(first, value) {
        if (value < 0x100) {
            this.#byte(first);
            this.#byte(value);
        } else if (value < 0x1_0000) {
            this.#byte(first + 1);
            this.#view.setUint16(this.#grow(2), value);
        } else {
            this.#byte(first + 2);
            this.#view.setUint32(this.#grow(4), value);
        }
    }

    #byte(value) {
        this.#bytes[this.#grow(1)] = value;
    }

    #copy(bytes) {
        const at = this.#grow(bytes.length);
        this.#bytes.set(bytes, at);
    }

    /** Makes room for `count` bytes and returns where they go. */
    #grow(count) {
        const at = this.#length;
        this.#length += count;
        if (this.#length > this.#bytes.length) {
            const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length));
            larger.set(this.#bytes);
            this.#bytes = larger;
            this.#view = new DataView(larger.buffer);
        }
        return at;
    }
}
