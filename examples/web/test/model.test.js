// What the page shows, without a page.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { idOfTitle, readAddress, writeAddress } from '../model/address.js';
import { isEmojiOnly, segments } from '../model/prose.js';
import { EVENTS_KEPT, EVENTS_MAX, Room } from '../model/room.js';
import { rowsOf } from '../model/rows.js';
import { DRAFTS_MAX, ROOMS_MAX, Shelf, whoOf } from '../model/shelf.js';

const EPOCH = 7;
const MINUTE = 60_000;
const day = (time) => String(Math.floor(time / 86_400_000));
const at = (seq) => ({ epoch: EPOCH, seq });

function said(seq, author, text, time = 0) {
    return { seq, time, author, body: { kind: 'message', text } };
}

function came(seq, user, kind = 'member_joined') {
    return { seq, time: 0, author: user, body: { kind } };
}

/** A room of ada's with these events, all of them from the beginning. */
function roomWith(events) {
    const room = new Room({ id: 'lobby', title: 'Lobby', me: 'ada' });
    room.begin(at(events.length));
    room.prepend({ epoch: EPOCH, events, more: false });
    return room;
}

/** What a browser keeps for a page. */
function inMemory() {
    const storage = {};
    return Object.defineProperties(storage, {
        getItem: { value: (key) => storage[key] ?? null },
        setItem: { value: (key, value) => { storage[key] = value; } },
        removeItem: { value: (key) => { delete storage[key]; } },
    });
}

const types = (room) => rowsOf(room, day).map(({ type }) => type);
const messages = (room) => rowsOf(room, day).filter(({ type }) => type === 'message');

test('messages of one person close together form a group; a notice, a day and five minutes end it', () => {
    const room = roomWith([
        said(1, 'ben', 'a'), said(2, 'ben', 'b', MINUTE), said(3, 'ben', 'c', 7 * MINUTE), said(4, 'cleo', 'd', 8 * MINUTE),
        { ...came(5, 'dan'), time: 8 * MINUTE }, said(6, 'cleo', 'e', 9 * MINUTE), said(7, 'cleo', 'f', 2 * 86_400_000),
    ]);
    assert.deepEqual(messages(room).map(({ first, last }) => [first, last]),
        [[true, false], [false, true], [true, true], [true, true], [true, true], [true, true]]);
    assert.deepEqual(types(room).filter((type) => type === 'day').length, 2);
});

test('a time that no calendar knows is shown as the last that one knows', () => {
    const room = roomWith([said(1, 'ben', 'hello', Number.MAX_SAFE_INTEGER)]);
    room.write({ key: 'k', room: 'lobby', text: 'hi', at: 0 }, 0);
    for (const { time } of rowsOf(room)) if (time !== undefined) assert.ok(new Date(time).toISOString());
});

test('comings and goings in a row are one notice, with the most named and the others counted', () => {
    const room = roomWith([came(1, 'u1'), came(2, 'u2'), came(3, 'u3'), came(4, 'u4'), came(5, 'u5'), came(6, 'u6'), came(7, 'u1', 'member_left')]);
    const [notice] = rowsOf(room, day).filter(({ type }) => type === 'notice');
    assert.deepEqual(notice.parts, [
        { what: 'joined', users: ['u1', 'u2', 'u3', 'u4', 'u5'], others: 1 },
        { what: 'left', users: ['u1'], others: 0 },
    ]);
});

test('events of a later version take their place in the order and show nothing', () => {
    const room = roomWith([said(1, 'ben', 'a'), { seq: 2, time: 0, author: 'ben', body: { kind: 'unknown', number: 99 } }, said(3, 'ben', 'b')]);
    assert.deepEqual(messages(room).map(({ text }) => text), ['a', 'b']);
});

for (const [what, steps] of [
    ['the event first', ['event', 'answer']],
    ['the answer first', ['answer', 'event']],
]) {
    test(`one's own message is on the screen once at any moment, ${what}`, () => {
        const room = roomWith([]);
        room.write({ key: 'k', text: 'hi', at: 0 }, 0);
        room.pending[0].state = 'sent';
        assert.equal(messages(room).length, 1);
        for (const step of steps) {
            if (step === 'event') room.append(said(1, 'ada', 'hi'), at(1), true);
            else room.settle('k', at(1));
            assert.deepEqual(messages(room).map(({ text }) => text), ['hi'], step);
        }
        assert.deepEqual(room.pending, []);
    });
}

test('two equal messages that wait are each taken off the list once', () => {
    const room = roomWith([]);
    for (const key of ['k1', 'k2']) room.write({ key, text: 'hi', at: 0 }, 0);
    for (const one of room.pending) one.state = 'sent';
    room.append(said(1, 'ada', 'hi'), at(1), true);
    assert.equal(messages(room).length, 2);
    room.append(said(2, 'ada', 'hi'), at(2), true);
    assert.equal(messages(room).length, 2);
    room.settle('k2', at(2));
    room.settle('k1', at(1));
    assert.equal(messages(room).length, 2);
    assert.deepEqual(room.pending, []);
});

test('a message too old to be retried under its key asks before it is sent', () => {
    const room = roomWith([]);
    room.write({ key: 'k', text: 'old', at: 0 }, 24 * 60 * MINUTE);
    assert.equal(messages(room)[0].state, 'failed');
});

test('unread counts what others said since one looked, and the line stands above it', () => {
    const room = roomWith([said(1, 'ben', 'a')]);
    room.look();
    room.append(said(2, 'ada', 'mine'), at(2), true);
    room.append(came(3, 'dan'), at(3), true);
    assert.equal(room.unread, 0);
    room.append(said(4, 'ben', 'b'), at(4), true);
    assert.equal(room.unread, 1);
    room.freshAfter = 1;
    const shown = rowsOf(room, day).map(({ type, text }) => text ?? type);
    assert.deepEqual(shown.slice(shown.indexOf('fresh')), ['fresh', 'b']);
    room.look();
    assert.equal(room.unread, 0);
});

test('a page meets what came meanwhile without a gap or a repeat', () => {
    const room = new Room({ id: 'lobby', title: 'Lobby', me: 'ada' });
    room.begin(at(2));
    room.append(said(3, 'ben', 'c'), at(3), true);
    room.prepend({ epoch: EPOCH, events: [said(1, 'ben', 'a'), said(2, 'ben', 'b'), said(3, 'ben', 'c')], more: false });
    assert.deepEqual(room.events.map(({ seq }) => seq), [1, 2, 3]);
    room.prepend({ epoch: 99, events: [said(1, 'eve', 'another life')], more: false });
    assert.equal(room.events.length, 3);
});

test('at the end of a long talk the oldest are let go, and can be read again', () => {
    const room = roomWith([]);
    for (let seq = 1; seq <= EVENTS_KEPT + 101; seq += 1) room.append(said(seq, 'ben', 'x'), at(seq), true);
    assert.equal(room.events.length, EVENTS_KEPT);
    assert.equal(room.more, true);
    assert.equal(room.anchor, 102);
});

test('however long one reads further up, there is a bound to what is kept, and never a gap', () => {
    const room = roomWith([]);
    for (let seq = 1; seq <= 2 * EVENTS_MAX; seq += 1) room.append(said(seq, 'ben', 'x'), at(seq), false);
    assert.ok(room.events.length <= EVENTS_MAX + 100);
    assert.equal(room.more, true);
    const { anchor } = room;
    room.loading = true;
    for (let seq = 2 * EVENTS_MAX + 1; seq <= 2 * EVENTS_MAX + 50; seq += 1) room.append(said(seq, 'ben', 'x'), at(seq), true);
    room.prepend({ epoch: EPOCH, events: [said(anchor - 1, 'ben', 'x')], more: true });
    assert.ok(room.events.every(({ seq }, index) => index === 0 || seq === room.events[index - 1].seq + 1));
});

test('a message that failed is shown, even if the same was said from another window meanwhile', () => {
    const room = roomWith([]);
    room.write({ key: 'k', room: 'lobby', text: 'hello', at: 0 }, 0);
    room.pending[0].state = 'sent';
    room.append(said(1, 'ada', 'hello'), at(1), true);
    assert.equal(room.shownPending.length, 0);
    room.fail('k', 'the server refused it');
    assert.deepEqual(room.shownPending.map(({ state }) => state), ['failed']);
});

test('what is stored when the stream begins anew does not wait for an event that never comes', () => {
    const room = roomWith([]);
    room.write({ key: 'k', room: 'lobby', text: 'hello', at: 0 }, 0);
    room.pending[0].state = 'sent';
    room.settle('k', at(1));
    assert.equal(room.shownPending.length, 1);
    room.begin(at(1));
    assert.deepEqual(room.shownPending, []);
});

test('the first event names the room', () => {
    const room = roomWith([{ seq: 1, time: 0, author: 'ben', body: { kind: 'room_created', title: ' Class 7b ' } }]);
    assert.equal(room.title, 'Class 7b');
});

test('members follow who comes and goes, each counted once', () => {
    const room = roomWith([]);
    room.setMembers(['ada', 'ben'], 2);
    room.append(came(1, 'ben'), at(1), true);
    room.append(came(2, 'cleo'), at(2), true);
    room.append(came(3, 'ben', 'member_left'), at(3), true);
    assert.deepEqual([[...room.members], room.memberCount], [['ada', 'cleo'], 2]);
});

test('links are what looks like http and is it, without the sentence around them', () => {
    const links = (text) => segments(text).filter(({ href }) => href).map(({ text: shown }) => shown);
    assert.deepEqual(links('see https://a.example/b?c=d#e, or http://b.example.'), ['https://a.example/b?c=d#e', 'http://b.example']);
    assert.deepEqual(links('(https://a.example/x_(y)) and https://b.example/"quoted"'), ['https://a.example/x_(y)', 'https://b.example/']);
    for (const text of ['javascript:alert(1)', 'xhttps://a.example', 'data:text/html,x', 'https://', 'http://[', 'ftp://a.example', '<a href=x>']) {
        assert.deepEqual(links(text), [], text);
    }
    // A character that turns the direction of writing round would show another address than it opens.
    assert.deepEqual(links('https://a.example/\u202egpj.exe'), ['https://a.example/']);
});

test('cutting a text into links loses none of it', () => {
    for (const text of ['', 'a', 'https://a.example', 'x https://a.example, y\nhttps://b.example/) z', '((https://a.example/(b)))..']) {
        assert.equal(segments(text).map(({ text: part }) => part).join(''), text);
    }
});

test('a few emoji alone are shown large', () => {
    for (const text of ['👋', '👩‍🏫', '👍🏽', '❤️', '🎉🎉🎉']) assert.ok(isEmojiOnly(text), text);
    for (const text of ['', '3', 'a👋', '🎉🎉🎉🎉']) assert.ok(!isEmojiOnly(text), text);
});

test('the address names a room, a tenant, and a name once', () => {
    assert.deepEqual(readAddress('#room=lobby&name=ana'), { room: 'lobby', tenant: 'default', name: 'ana' });
    assert.deepEqual(readAddress(''), { room: null, tenant: 'default', name: null });
    assert.deepEqual(readAddress(`#room=${'x'.repeat(65)}&name=%00`), { room: null, tenant: 'default', name: null });
    const room = 'Klasse 7b & "é"';
    assert.equal(readAddress(writeAddress({ room, tenant: 'school' })).room, room);
});

test('a room id is the same for all who mean the same name, in any script, and never too long', () => {
    assert.equal(idOfTitle('  Class 7b! '), 'class-7b');
    assert.equal(idOfTitle('Cafe\u0301'), idOfTitle('CAFÉ'));
    assert.equal(idOfTitle('部屋'), '部屋');
    assert.equal(idOfTitle('!?'), '');
    assert.ok(new TextEncoder().encode(idOfTitle('部'.repeat(60))).length <= 64);
});

test('a shelf keeps messages one by one, up to its limit, and survives what others wrote there', () => {
    const storage = inMemory();
    const shelf = new Shelf(storage);
    for (let n = 0; n < DRAFTS_MAX; n += 1) assert.ok(shelf.keep('t:ada', { key: `k${n}`, room: 'r', text: String(n), at: DRAFTS_MAX - n }));
    assert.equal(shelf.keep('t:ada', { key: 'over', room: 'r', text: '', at: 0 }), false);
    assert.deepEqual(shelf.kept('t:ada')[0].text, String(DRAFTS_MAX - 1));
    assert.deepEqual(shelf.kept('t:ben'), []);
    shelf.drop('t:ada', 'k0');
    assert.equal(shelf.kept('t:ada').length, DRAFTS_MAX - 1);
    storage['homeroom:kept:t:ada:odd'] = '{"text":"when?","room":"r","key":"odd"}';
    assert.equal(shelf.kept('t:ada').length, DRAFTS_MAX - 1);
    storage['homeroom:room:t:ada:r'] = '{broken';
    assert.deepEqual(shelf.rooms('t:ada'), []);
});

test('two tabs never take a room off each other\'s list, and one that is left stays left', () => {
    const storage = inMemory();
    const [one, other] = [new Shelf(storage), new Shelf(storage)];
    one.setRoom('t:ada', { id: 'lobby', title: 'lobby' });
    other.setRoom('t:ada', { id: 'class', title: 'Class' });
    one.setRoom('t:ada', { id: 'lobby', title: 'Lobby' });
    assert.deepEqual(one.rooms('t:ada').map(({ title }) => title).sort(), ['Class', 'Lobby']);
    other.dropRoom('t:ada', 'lobby');
    one.setRoom('t:ada', { id: 'yard', title: 'Yard' });
    assert.deepEqual(one.rooms('t:ada').map(({ id }) => id).sort(), ['class', 'yard']);
    for (let n = 0; n < ROOMS_MAX; n += 1) one.setRoom('t:ada', { id: `r${n}`, title: 'R' });
    assert.equal(one.rooms('t:ada').length, ROOMS_MAX);
});

test('what is kept for one person is no other\'s, whatever the names', () => {
    const shelf = new Shelf(inMemory());
    const names = ['a', 'a:b', 'a%3Ab', 'a:', ':a', 'a:b:c'];
    for (const name of names) {
        shelf.keep(whoOf('t', name), { key: 'k', room: 'r', text: name, at: 0 });
        shelf.setRoom(whoOf('t', name), { id: 'b:r', title: name });
        shelf.setSeen(whoOf('t', name), 'b:r', at(names.indexOf(name)));
    }
    for (const name of names) {
        assert.deepEqual(shelf.kept(whoOf('t', name)).map(({ text }) => text), [name]);
        assert.deepEqual(shelf.rooms(whoOf('t', name)).map(({ title }) => title), [name]);
        assert.equal(shelf.seen(whoOf('t', name), 'b:r').seq, names.indexOf(name));
    }
});

test('where nothing can be stored, nothing breaks', () => {
    for (const storage of [null, { getItem() { throw new Error('no'); }, setItem() { throw new Error('full'); } }]) {
        const shelf = new Shelf(storage);
        shelf.name = 'ada';
        assert.equal(shelf.name, null);
        assert.equal(shelf.keep('t:ada', { key: 'k', room: 'r', text: 'x', at: 0 }), false);
        assert.deepEqual(shelf.kept('t:ada'), []);
        assert.equal(shelf.device(() => 'chosen'), 'chosen');
    }
});

test('an edit changes the message that is shown, and one that was taken back is shown no more', () => {
    const room = roomWith([said(1, 'ben', 'helo'), said(2, 'ben', 'second')]);
    const shown = () => messages(room).map(({ key, text }) => [key, text]);
    const happens = (seq, body) => room.append({ seq, time: 0, author: 'ben', body }, at(seq), true);
    happens(3, { kind: 'message_edited', target: 1, version: 1, text: 'hello' });
    assert.deepEqual(shown(), [['e:1.1', 'hello'], ['e:2', 'second']]);
    happens(4, { kind: 'message_deleted', target: 2, by_moderator: false });
    happens(5, { kind: 'message_deleted', target: 99, by_moderator: false });
    assert.deepEqual(shown(), [['e:1.1', 'hello']]);
});

test('what the page has no words for is not shown, and what passes moves the place in a room', () => {
    const room = roomWith([said(1, 'ben', 'hello'), came(2, 'ben', 'pin_set'), came(3, 'ben', 'tombstone')]);
    assert.deepEqual(types(room).filter((type) => type === 'notice'), []);
    room.pass(at(9), 5000);
    assert.deepEqual([room.position.seq, room.memberCount], [9, 5000]);
});
