// Every vector of the protocol: valid ones both ways, invalid ones refused for the reason they name.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';

import { FrameError, decodeMessage, encodeFrame } from '../wire/frames.js';
import { MessageError } from '../wire/reader.js';

const FOLDER = new URL('../../../protocol/vectors/', import.meta.url);

function vectors(folder) {
    const names = readdirSync(folder).filter((name) => name.endsWith('.txt'));
    return names.map((name) => {
        const lines = readFileSync(new URL(name, folder), 'utf8').split('\n');
        const entries = lines
            .filter((line) => /^[a-z]+: /.test(line) || line === 'hex:')
            .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]);
        const vector = Object.fromEntries(entries);
        const pairs = vector.hex.split(' ').filter((pair) => pair !== '');
        return { name, ...vector, bytes: Uint8Array.from(pairs, (pair) => parseInt(pair, 16)) };
    });
}

function isNobody(value) {
    return value?.users?.length === 0 && value.roles.length === 0 && !value.room;
}

/** Of a value, what the expected one has a word for. */
function told(value, expected) {
    if (Array.isArray(value) && Array.isArray(expected)) return value.map((item, at) => told(item, expected[at]));
    // What mentions nobody may be written as nil.
    if (expected === null && isNobody(value)) return null;
    if (value === null || expected === null || typeof value !== 'object' || typeof expected !== 'object') return value;
    return Object.fromEntries(Object.keys(expected).map((name) => [name, told(value[name], expected[name])]));
}

const valid = vectors(FOLDER);
const invalid = vectors(new URL('invalid/', FOLDER));

test('the vectors are there', () => {
    assert.ok(valid.length >= 180, `${valid.length} valid`);
    assert.ok(invalid.length >= 70, `${invalid.length} invalid`);
});

for (const vector of valid) {
    test(`${vector.name} says what it should, and is written to the same bytes`, () => {
        const [frame, ...others] = decodeMessage(vector.bytes, vector.direction);
        const expected = JSON.parse(vector.expect);
        assert.equal(others.length, 0);
        assert.deepEqual(told(frame, expected), expected);
        // What was left out is there with its default, which is left out again.
        assert.deepEqual(encodeFrame(frame), vector.bytes);
        assert.deepEqual(encodeFrame(expected), vector.bytes);
    });
}

for (const vector of invalid) {
    test(`${vector.name} is refused`, () => {
        if (vector.refused === 'message') {
            assert.throws(() => decodeMessage(vector.bytes, vector.direction), MessageError);
            return;
        }
        const [error] = decodeMessage(vector.bytes, vector.direction);
        assert.ok(error instanceof FrameError, JSON.stringify(error));
        if (vector.field) {
            const field = error.field === null ? 'none' : `${error.position} ${error.field}`;
            assert.equal(field, vector.field);
        }
        if (vector.refused === 'frame') {
            assert.equal(String(error.code), vector.error);
            assert.equal(error.id === null ? 'none' : String(error.id), vector.id);
        }
    });
}

test('every prefix of every frame is refused, and never crashes the reader', () => {
    for (const { bytes, direction } of valid) {
        for (let length = 0; length < bytes.length; length += 1) {
            assert.throws(() => decodeMessage(bytes.subarray(0, length), direction), MessageError);
        }
    }
});

test('no changed byte crashes the reader', () => {
    for (const { bytes, direction } of valid) {
        for (let at = 0; at < bytes.length; at += 1) {
            for (const value of [0x00, 0x7f, 0x80, 0x9f, 0xbf, 0xc0, 0xc1, 0xc6, 0xcf, 0xd3, 0xdb, 0xdd, 0xdf, 0xff]) {
                const changed = Uint8Array.from(bytes);
                changed[at] = value;
                try {
                    decodeMessage(changed, direction);
                } catch (error) {
                    assert.ok(error instanceof MessageError, String(error));
                }
            }
        }
    }
});

test('fields of a later version are passed over, whatever they hold', () => {
    const done = [0x95, 0x40, 0x07, 0xcb, 0, 0, 0, 0, 0, 0, 0, 0, 0x82, 0xc0, 0x01, 0xca, 1, 2, 3, 4, 0x90, 0xd6, 1, 2, 3, 4, 5];
    assert.deepEqual(decodeMessage(Uint8Array.from(done), 'server'), [{ kind: 'done', id: 7 }]);
    const inside = encodeFrame({ kind: 'removed', room: 7, reason: 'left' });
    inside[inside.length - 1] = 9;
    assert.deepEqual(decodeMessage(inside, 'server'), [{ kind: 'removed', room: 7, reason: 'other' }]);
});

test('a frame may have as many elements as the limit, and not one more', () => {
    const frame = (elements) => Uint8Array.of(0x93, 0x40, 0x07, 0xdc, elements >> 8, elements & 0xff, ...new Array(elements).fill(0xc0));
    assert.deepEqual(decodeMessage(frame(65_536 - 3), 'server'), [{ kind: 'done', id: 7 }]);
    assert.throws(() => decodeMessage(frame(65_536 - 2), 'server'), MessageError);
    assert.throws(() => decodeMessage(frame(4096 - 2), 'client'), MessageError);
});

test('a text keeps its byte order mark', () => {
    const frame = { kind: 'members', id: 1, room: 1, more: false, users: ['\ufeffada'] };
    assert.deepEqual(decodeMessage(encodeFrame(frame), 'server'), [frame]);
});

test('a message of a server may be as large as the limit, and not larger', () => {
    const frame = { kind: 'bye', code: 4000, reconnect_after_ms: null, explanation: 'x'.repeat(524_288 - 11) };
    const bytes = encodeFrame(frame);
    assert.equal(bytes.length, 524_288);
    assert.deepEqual(decodeMessage(bytes, 'server'), [frame]);
    const larger = encodeFrame({ ...frame, explanation: `${frame.explanation}x` });
    assert.throws(() => decodeMessage(larger, 'server'), MessageError);
});

test('every width of integer and text is written in its shortest form and read back', () => {
    for (const nonce of [0, 127, 128, 255, 256, 65_535, 65_536, 4_294_967_295, 4_294_967_296, Number.MAX_SAFE_INTEGER]) {
        assert.deepEqual(decodeMessage(encodeFrame({ kind: 'ping', nonce }), 'client'), [{ kind: 'ping', nonce }]);
    }
    for (const length of [0, 31, 32, 255, 256, 16_384]) {
        const frame = { kind: 'send', id: 1, key: '00'.repeat(16), room: 1, text: 'x'.repeat(length) };
        const [{ text }] = decodeMessage(encodeFrame(frame), 'client');
        assert.equal(text, frame.text);
    }
    assert.throws(() => encodeFrame({ kind: 'ping', nonce: 2 ** 53 }), RangeError);
});
