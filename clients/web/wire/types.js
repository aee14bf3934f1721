/**
 * The types of fields: how each is read from a MessagePack value, checked, and written. `bound` types
 * hold clients to their limits; a client does not check those in what a server sends, because a later
 * server may raise them.
 * @module
 */

import { LIMITS, bytesOf } from './limits.js';

/** @typedef {{ read: (value: any) => any, write: (writer: any, value: any) => void }} Type */

/** A field is not what it should be. `path` names it inside the field that holds it. */
export class FieldError extends Error {
    constructor(problem, path = '') {
        super(problem);
        this.path = path;
    }

    /** The same, seen from the field around it. */
    inside(name) {
        return new FieldError(this.message, this.path === '' ? name : `${name}.${this.path}`);
    }
}

function refuse(problem) {
    throw new FieldError(problem);
}

/** @returns {Type} */
export function uintIn(min, max) {
    return {
        read: (value) => {
            if (!Number.isInteger(value)) refuse('is not an integer');
            if (value < min || value > max) refuse(`is ${value}, not in ${min} to ${max}`);
            return value;
        },
        write: (writer, value) => writer.uint(value),
    };
}

export const uint = uintIn(0, Number.MAX_SAFE_INTEGER);
export const u32 = uintIn(0, 0xffff_ffff);
export const u16 = uintIn(0, 0xffff);
export const epoch = uintIn(1, Number.MAX_SAFE_INTEGER);

/** @type {Type} */
export const bool = {
    read: (value) => (typeof value === 'boolean' ? value : refuse('is not a boolean')),
    write: (writer, value) => writer.boolean(value),
};

/** A text of any length. @type {Type} */
export const text = {
    read: (value) => (typeof value === 'string' ? value : refuse('is not a text')),
    write: (writer, value) => writer.text(value),
};

/** A text of at most `max` bytes. @returns {Type} */
export function textUpTo(max) {
    return checked(text, (value) => {
        const bytes = bytesOf(value);
        return bytes > max ? `has ${bytes} bytes, the limit is ${max}` : null;
    });
}

const CONTROL = /\p{Cc}/u;

/** What is wrong with an id, or null. */
export function flawOfId(value, max = LIMITS.id_bytes_max) {
    if (value === '') return 'is empty';
    const bytes = bytesOf(value);
    if (bytes > max) return `has ${bytes} bytes, the limit is ${max}`;
    return CONTROL.test(value) ? 'has a control character' : null;
}

/** A text that is an id of at most `max` bytes. @returns {Type} */
export function idUpTo(max) {
    return checked(text, (value) => flawOfId(value, max));
}

export const id = idUpTo(LIMITS.id_bytes_max);
export const tenant = checked(text, (value) => {
    const valid = value.length <= LIMITS.tenant_name_bytes_max && /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(value);
    return valid ? null : 'is no tenant name';
});

/** 16 bytes, as 32 hex digits: it can be kept in any storage. @type {Type} */
export const key = {
    read: (value) => {
        if (!(value instanceof Uint8Array) || value.length !== 16) refuse('is not 16 bytes');
        return Array.from(value, (byte) => byte.toString(16).padStart(2, '0')).join('');
    },
    write: (writer, value) => {
        if (!/^[0-9a-f]{32}$/.test(value)) throw new RangeError('a key has 32 hex digits');
        writer.binary(Uint8Array.from(value.match(/../g), (pair) => parseInt(pair, 16)));
    },
};

/** Opaque bytes, as hex digits: they can be kept and compared like a key. @returns {Type} */
export function bytes(max = Infinity) {
    return {
        read: (value) => {
            if (!(value instanceof Uint8Array)) refuse('is not bytes');
            if (value.length > max) refuse(`has ${value.length} bytes, the limit is ${max}`);
            return Array.from(value, (byte) => byte.toString(16).padStart(2, '0')).join('');
        },
        write: (writer, value) => {
            if (!/^([0-9a-f]{2})*$/.test(value)) throw new RangeError('bytes are written as hex digits');
            writer.binary(Uint8Array.from(value.match(/../g) ?? [], (pair) => parseInt(pair, 16)));
        },
    };
}

/** One of a few, by name; the numbers begin at `first`. @returns {Type} */
export function choice(first, names) {
    const number = uintIn(first, first + names.length - 1);
    return {
        read: (value) => names[number.read(value) - first],
        write: (writer, value) => {
            const index = names.indexOf(value);
            if (index < 0) throw new RangeError(`none of ${names}: ${value}`);
            writer.uint(first + index);
        },
    };
}

/** The same from a server: a number of a later version reads as `other`. @returns {Type} */
export function choiceOr(first, names, other) {
    const known = choice(first, names);
    return { ...known, read: (value) => names[uint.read(value) - first] ?? other };
}

/** Nil, or missing together with all that would follow. @returns {Type & { optional: true }} */
export function optional(type, missing = null) {
    return {
        optional: true,
        read: (value) => (value === null || value === undefined ? missing : type.read(value)),
        write: (writer, value) => (value === null || value === undefined ? writer.nil() : type.write(writer, value)),
    };
}

/**
 * A field that is left out where all from it on hold their defaults, and reads as `missing` then.
 * @returns {Type & { optional: true }}
 */
export function trailing(type, missing = null) {
    const isDefault = (value) => value === undefined || value === null || isSame(value, missing);
    return {
        optional: true,
        isDefault,
        read: (value) => (value === null || value === undefined ? structuredClone(missing) : type.read(value)),
        write: (writer, value) => {
            if (!isDefault(value)) type.write(writer, value);
            // What is an object has no shorter form of nothing than nil.
            else if (missing === null || (typeof missing === 'object' && !Array.isArray(missing))) writer.nil();
            else type.write(writer, missing);
        },
    };
}

/** Whether two plain values hold the same. */
function isSame(one, other) {
    if (one === other) return true;
    if (one === null || other === null || typeof one !== 'object' || typeof other !== 'object') return false;
    const keys = new Set([...Object.keys(one), ...Object.keys(other)]);
    return [...keys].every((key) => isSame(one[key] ?? null, other[key] ?? null));
}

/** An array of elements that are all alike. @returns {Type} */
export function list(type, max = Infinity) {
    return {
        read: (value) => {
            if (!Array.isArray(value)) refuse('is not an array');
            if (value.length > max) refuse(`has ${value.length} elements, the limit is ${max}`);
            return value.map((element) => type.read(element));
        },
        write: (writer, value) => {
            writer.array(value.length);
            for (const element of value) type.write(writer, element);
        },
    };
}

/** An array whose elements are fields with names; those it does not know are passed over. @returns {Type} */
export function fields(table) {
    return {
        read: (value) => {
            if (!Array.isArray(value)) refuse('is not an array');
            return readFields(table, value, 0);
        },
        write: (writer, value) => writeArray([], table, writer, value),
    };
}

/** Reads the fields of `table` from `values`, the first of them at `from`. */
export function readFields(table, values, from) {
    const read = {};
    table.forEach(([name, type], index) => {
        const value = values[from + index];
        read[name] = within(name, from + index, () => {
            if (value === undefined && !type.optional) refuse('is missing');
            return type.read(value);
        });
    });
    return read;
}

/** Writes an array: numbers that come first, then the fields of `table` as far as they must be there. */
export function writeArray(numbers, table, writer, values) {
    let count = table.length;
    while (count > 0 && table[count - 1][1].isDefault?.(values[table[count - 1][0]])) count -= 1;
    writer.array(numbers.length + count);
    for (const number of numbers) writer.uint(number);
    for (const [name, type] of table.slice(0, count)) type.write(writer, values[name]);
}

/** Runs `read`; what it refuses carries the name and the position of the outermost field. */
export function within(name, position, read) {
    try {
        return read();
    } catch (error) {
        if (!(error instanceof FieldError)) throw error;
        const outer = error.inside(name);
        outer.position = position;
        throw outer;
    }
}

/** Refuses what `flaw` finds a flaw in. @returns {Type} */
function checked(type, flaw) {
    return {
        ...type,
        read: (value) => {
            const read = type.read(value);
            const found = flaw(read);
            if (found !== null) refuse(found);
            return read;
        },
    };
}
