// The machine against scripted servers: every byte, moment and random number is the test's own.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Machine } from '../machine/machine.js';
import { decodeMessage, encodeFrame } from '../wire/frames.js';

const KEY = '01'.repeat(16);
const EPOCH = 77;
const at = (seq) => ({ epoch: EPOCH, seq });

/** A machine with a server that says what the test tells it to. */
class Scene {
    now = 1000;
    answers = [];

    constructor(limits = {}) {
        // The longest wait, always.
        this.machine = new Machine({ tenant: 'school', auth: { guest: 'ada' }, device: 'd', random: () => 1, limits }, this.now);
    }

    welcome(over = {}) {
        this.machine.opened(this.now);
        assert.equal(this.sent()[0].kind, 'hello');
        this.says({
            kind: 'welcome', version: 1, tenant: 'school', user: 'ada', connection: 1, time: 1, heartbeat_ms: 30_000,
            message_bytes_max: 65_536, requests_in_flight_max: 64, capabilities: [], expires: null, ...over,
        });
        return this;
    }

    says(...frames) {
        const message = Buffer.concat(frames.map((frame) => encodeFrame(frame)));
        this.machine.receive(this.now, new Uint8Array(message));
        return this;
    }

    /** All that the machine writes now. */
    sent() {
        const frames = [];
        for (let message = this.machine.transmit(this.now); message; message = this.machine.transmit(this.now)) {
            frames.push(...decodeMessage(message, 'client'));
        }
        return frames;
    }

    ask(command) {
        this.machine.submit(command, command);
        return this;
    }

    outcomes() {
        return this.machine.outcomes.splice(0).map(({ answer, error }) => answer?.kind ?? `${error.reason}${error.code ? ` ${error.code}` : ''}`);
    }

    events() {
        return this.machine.events.splice(0);
    }

    pass(ms) {
        this.now += ms;
        this.machine.tick(this.now);
        return this;
    }

    reconnect() {
        const due = this.machine.deadline();
        assert.equal(this.machine.state, 'waiting');
        this.pass(due - this.now);
        assert.equal(this.machine.state, 'connecting');
        return this.welcome();
    }

    /** Live, and in the room "lobby" with number 7 at seq 5. */
    static inLobby(limits) {
        const scene = new Scene(limits).welcome();
        scene.ask({ kind: 'join', room: 'lobby' });
        const [join] = scene.sent();
        scene.says({ kind: 'joined', id: join.id, room: 7, position: at(5), head: 5, members: 1, reset: null });
        scene.outcomes();
        scene.events();
        return scene;
    }
}

const message = (seq, text = 'hi') => ({
    kind: 'event', room: 7, epoch: EPOCH, event: { seq, time: 1, author: 'ben', body: { kind: 'message', text } },
});
const send = (text, key = KEY) => ({ kind: 'send', key, room: 'lobby', text });

test('the first message is the hello alone, and nothing goes out before the welcome', () => {
    const scene = new Scene();
    scene.ask({ kind: 'join', room: 'lobby' }).ask(send('early'));
    scene.machine.opened(scene.now);
    assert.deepEqual(scene.sent().map(({ kind }) => kind), ['hello']);
});

test('a send waits for its room to be joined, and names it by the number of this connection', () => {
    const scene = new Scene();
    scene.ask({ kind: 'join', room: 'lobby' }).ask(send('early')).welcome();
    const [join, ...others] = scene.sent();
    assert.deepEqual([join.kind, join.resume, others.length], ['join', null, 0]);
    scene.says({ kind: 'joined', id: join.id, room: 9, position: at(5), head: 5, members: 1, reset: null });
    const [sent] = scene.sent();
    assert.deepEqual([sent.kind, sent.room, sent.text], ['send', 9, 'early']);
    scene.says({ kind: 'sent', id: sent.id, position: at(6), time: 2 });
    assert.deepEqual(scene.outcomes(), ['joined', 'sent']);
});

test('a write whose reply was lost goes out again with its key, after the join that resumes', () => {
    const scene = Scene.inLobby();
    scene.ask(send('once'));
    assert.equal(scene.sent().length, 1);
    scene.says(message(6));
    scene.machine.lost(scene.now, 'gone');
    scene.reconnect();
    const [join, ...early] = scene.sent();
    assert.deepEqual([join.kind, join.resume, early], ['join', at(6), []]);
    scene.says({ kind: 'joined', id: join.id, room: 8, position: at(6), head: 6, members: 1, reset: null });
    const [again] = scene.sent();
    assert.deepEqual([again.kind, again.key, again.room, again.text], ['send', KEY, 8, 'once']);
    scene.says({ kind: 'sent', id: again.id, position: at(7), time: 2 });
    assert.deepEqual(scene.outcomes(), ['sent']);
});

test('what waits keeps its order across a reconnect', () => {
    const scene = Scene.inLobby();
    const keys = ['a', 'b', 'c'].map((digit) => digit.repeat(32));
    scene.ask(send('1', keys[0])).ask(send('2', keys[1]));
    scene.sent();
    scene.ask(send('3', keys[2]));
    scene.machine.lost(scene.now, 'gone');
    scene.reconnect();
    const [join] = scene.sent();
    scene.says({ kind: 'joined', id: join.id, room: 7, position: at(5), head: 5, members: 1, reset: null });
    assert.deepEqual(scene.sent().map(({ text }) => text), ['1', '2', '3']);
});

test('events are told once each, in order, with the position to keep', () => {
    const scene = Scene.inLobby();
    scene.says(message(6), message(7));
    assert.deepEqual(scene.events().map(({ position }) => position.seq), [6, 7]);
    assert.deepEqual(scene.machine.rooms.get('lobby').cursor, at(7));
});

for (const [what, frame] of [
    ['a gap', message(8)],
    ['a repeat', message(5)],
    ['another epoch', { ...message(6), epoch: 78 }],
    ['a second welcome', { kind: 'welcome', version: 1, tenant: 'a', user: 'ada', connection: 1, time: 1, heartbeat_ms: 1, message_bytes_max: 1, requests_in_flight_max: 1, capabilities: [], expires: null }],
]) {
    test(`${what} makes it reconnect, and the app sees nothing of it`, () => {
        const scene = Scene.inLobby();
        scene.says(frame);
        assert.equal(scene.machine.state, 'waiting');
        assert.deepEqual(scene.events().map(({ type, why }) => [type, why.cause]), [['disconnected', 'protocol']]);
        assert.deepEqual(scene.machine.rooms.get('lobby').cursor, at(5));
    });
}

test('a room that resumes elsewhere without a reset makes it reconnect and ask again', () => {
    const scene = Scene.inLobby();
    scene.machine.lost(scene.now, 'gone');
    scene.reconnect();
    const [join] = scene.sent();
    scene.says({ kind: 'joined', id: join.id, room: 7, position: at(8), head: 8, members: 1, reset: null });
    assert.equal(scene.machine.state, 'waiting');
    scene.reconnect();
    assert.deepEqual(scene.sent()[0].resume, at(5));
});

test('a reset at the join drops what the app has and goes on where the server says', () => {
    const scene = Scene.inLobby();
    scene.machine.lost(scene.now, 'gone');
    scene.reconnect();
    const [join] = scene.sent();
    const position = { epoch: 99, seq: 2 };
    scene.says({ kind: 'joined', id: join.id, room: 7, position, head: 2, members: 1, reset: 'epoch_changed' });
    const reset = scene.events().find(({ type }) => type === 'reset');
    assert.deepEqual(reset, { type: 'reset', room: 'lobby', position, reason: 'epoch_changed' });
    scene.says({ ...message(3), epoch: 99 });
    assert.equal(scene.events()[0].position.seq, 3);
});

test('a bye that names a time is waited for, spread by up to a quarter, and hurrying does not shorten it', () => {
    const scene = Scene.inLobby();
    scene.says({ kind: 'bye', code: 4000, reconnect_after_ms: 8000, explanation: 'restarting' });
    assert.equal(scene.machine.deadline(), scene.now + 10_000);
    scene.machine.hurry(scene.now);
    assert.equal(scene.machine.deadline(), scene.now + 10_000);
});

test('a bye that asks for a day is waited for ten minutes', () => {
    const scene = Scene.inLobby();
    scene.says({ kind: 'bye', code: 4000, reconnect_after_ms: 86_400_000, explanation: null });
    assert.equal(scene.machine.deadline(), scene.now + 600_000);
});

test('waits double up to their limit, and start again after a connection that lived for a minute', () => {
    const scene = new Scene();
    const waits = [];
    for (let round = 0; round < 7; round += 1) {
        scene.machine.lost(scene.now, 'gone');
        waits.push(scene.machine.deadline() - scene.now);
        scene.pass(waits[round]);
    }
    assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
    scene.welcome();
    scene.now += 60_000;
    scene.machine.lost(scene.now, 'gone');
    assert.equal(scene.machine.deadline() - scene.now, 1000);
});

test('a network that comes back is tried at once, with a little spread', () => {
    const scene = new Scene();
    for (let round = 0; round < 6; round += 1) {
        scene.machine.lost(scene.now, 'gone');
        if (round < 5) scene.pass(scene.machine.deadline() - scene.now);
    }
    scene.machine.hurry(scene.now);
    assert.equal(scene.machine.deadline() - scene.now, 250);
});

test('an attempt that hangs is begun anew when the network comes back, and a young one is left alone', () => {
    const scene = new Scene();
    scene.pass(1000);
    scene.machine.hurry(scene.now);
    assert.equal(scene.machine.attempt, 1);
    scene.pass(1000);
    scene.machine.hurry(scene.now);
    assert.deepEqual([scene.machine.attempt, scene.machine.state, scene.machine.deadline()], [2, 'connecting', scene.now + 10_000]);
    scene.welcome();
});

test('close codes say whether to come back', () => {
    for (const [code, state] of [[4002, 'waiting'], [1006, 'waiting'], [1001, 'waiting'], [4100, 'waiting'],
        [4101, 'unauthenticated'], [4102, 'unauthenticated'], [4200, 'stopped'], [4202, 'stopped'], [4203, 'stopped']]) {
        const scene = Scene.inLobby();
        scene.machine.closed(scene.now, code, '');
        assert.equal(scene.machine.state, state, String(code));
    }
});

test('after new proof it connects again, and what waited goes on', () => {
    const scene = Scene.inLobby();
    scene.ask(send('kept'));
    scene.sent();
    scene.says({ kind: 'bye', code: 4102, reconnect_after_ms: null, explanation: null });
    assert.deepEqual(scene.events().map(({ type }) => type), ['disconnected', 'authentication_needed']);
    assert.deepEqual(scene.outcomes(), []);
    scene.machine.authenticate(scene.now, { token: 'new' });
    scene.machine.opened(scene.now);
    assert.deepEqual(scene.sent()[0].auth, { token: 'new' });
});

test('being told to stop answers everybody who waits', () => {
    const scene = Scene.inLobby();
    scene.ask(send('x'));
    scene.sent();
    scene.says({ kind: 'bye', code: 4202, reconnect_after_ms: null, explanation: 'revoked' });
    assert.deepEqual(scene.outcomes(), ['stopped 4202']);
    scene.ask(send('y'));
    assert.deepEqual(scene.outcomes(), ['stopped']);
    assert.equal(scene.machine.deadline(), Infinity);
});

test('a server that takes the client for somebody else ends it: its keys would be another user\'s', () => {
    const scene = Scene.inLobby();
    scene.machine.lost(scene.now, 'gone');
    scene.pass(1000);
    scene.welcome({ user: 'eve' });
    assert.equal(scene.machine.state, 'stopped');
});

test('it says something before each heartbeat ends', () => {
    const scene = Scene.inLobby();
    assert.equal(scene.machine.deadline(), scene.now + 22_500);
    scene.pass(22_500);
    assert.deepEqual(scene.sent().map(({ kind }) => kind), ['ping']);
});

test('an unanswered ping loses the connection after 10 s; a pong keeps it', () => {
    for (const answered of [true, false]) {
        const scene = Scene.inLobby();
        scene.pass(22_500);
        const [{ nonce }] = scene.sent();
        if (answered) scene.says({ kind: 'pong', nonce, time: 1 });
        scene.pass(10_000);
        assert.equal(scene.machine.state, answered ? 'live' : 'waiting');
    }
});

test('a doubted connection is asked at once and given 3 s', () => {
    const scene = Scene.inLobby();
    scene.machine.hurry(scene.now);
    assert.deepEqual(scene.sent().map(({ kind }) => kind), ['ping']);
    assert.equal(scene.machine.deadline(), scene.now + 3000);
    scene.pass(3000);
    assert.equal(scene.machine.state, 'waiting');
});

test('no socket and no welcome within 10 s are given up', () => {
    const scene = new Scene();
    scene.pass(10_000);
    assert.equal(scene.machine.state, 'waiting');
    scene.pass(1000);
    scene.machine.opened(scene.now);
    scene.pass(10_000);
    assert.equal(scene.machine.state, 'waiting');
});

test('a refusal for now holds its room up until its time, and no other', () => {
    const scene = Scene.inLobby();
    scene.ask(send('later'));
    const [first] = scene.sent();
    scene.says({ kind: 'error', id: first.id, code: 2001, retry_after_ms: 400, explanation: null });
    assert.deepEqual(scene.sent(), []);
    scene.ask({ kind: 'watch', users: ['ben'] });
    assert.deepEqual(scene.sent().map(({ kind }) => kind), ['watch']);
    scene.pass(500);
    const [again] = scene.sent();
    assert.deepEqual([again.key, again.text], [KEY, 'later']);
    assert.notEqual(again.id, first.id);
});

test('a refusal for good is the answer', () => {
    const scene = Scene.inLobby();
    scene.ask(send('x'));
    const [sent] = scene.sent();
    scene.says({ kind: 'error', id: sent.id, code: 1102, retry_after_ms: null, explanation: 'conflict' });
    assert.deepEqual(scene.outcomes(), ['refused 1102']);
});

test('typing is not kept for later', () => {
    const scene = Scene.inLobby();
    scene.ask({ kind: 'set_typing', room: 'lobby', active: true });
    scene.sent();
    scene.machine.lost(scene.now, 'gone');
    scene.ask({ kind: 'set_typing', room: 'lobby', active: true });
    assert.deepEqual(scene.outcomes(), ['disconnected', 'disconnected']);
});

test('watched users and presence are told to each new connection', () => {
    const scene = Scene.inLobby();
    scene.ask({ kind: 'watch', users: ['ben'] }).ask({ kind: 'set_presence', state: 'idle' });
    const [watch, presence] = scene.sent();
    scene.says({ kind: 'watching', id: watch.id, users: [] }, { kind: 'done', id: presence.id });
    scene.machine.lost(scene.now, 'gone');
    scene.reconnect();
    const told = scene.sent();
    assert.deepEqual(told.map(({ kind }) => kind).sort(), ['join', 'set_presence', 'watch']);
    scene.events();
    const users = [{ user: 'ben', presence: 'idle', last_seen: null, status: null }];
    scene.says({ kind: 'watching', id: told.find(({ kind }) => kind === 'watch').id, users });
    assert.deepEqual(scene.events(), [{ type: 'presence', users }]);
});

test('a room that was left elsewhere while away is told as removed, and its messages are given back', () => {
    const scene = Scene.inLobby();
    scene.machine.lost(scene.now, 'gone');
    scene.ask(send('never went out'));
    scene.reconnect();
    const [join] = scene.sent();
    scene.events();
    scene.says({ kind: 'error', id: join.id, code: 4001, retry_after_ms: null, explanation: 'left' });
    assert.deepEqual(scene.outcomes(), ['not_joined']);
    assert.deepEqual(scene.events().map(({ type, why }) => [type, why.cause]), [['removed', 'refused']]);
});

test('a leave whose reply was lost is asked again and taken for done', () => {
    const scene = Scene.inLobby();
    scene.ask({ kind: 'leave', room: 'lobby' });
    scene.sent();
    scene.machine.lost(scene.now, 'gone');
    scene.reconnect();
    const [leave, ...others] = scene.sent();
    assert.deepEqual([leave.kind, leave.room, others.length], ['leave', 7, 0]);
    scene.says({ kind: 'error', id: leave.id, code: 4001, retry_after_ms: null, explanation: null });
    assert.deepEqual(scene.outcomes(), ['done']);
});

test('no more requests are on their way than the server takes', () => {
    const scene = new Scene().welcome({ requests_in_flight_max: 2 });
    for (let user = 0; user < 5; user += 1) scene.ask({ kind: 'watch', users: [`u${user}`] });
    const sent = scene.sent();
    assert.equal(sent.length, 2);
    scene.says({ kind: 'watching', id: sent[0].id, users: [] });
    assert.equal(scene.sent().length, 1);
});

test('no message is larger than the server takes', () => {
    const scene = Scene.inLobby();
    for (let count = 0; count < 6; count += 1) scene.ask(send('x'.repeat(16_384), String(count).repeat(32)));
    const first = scene.machine.transmit(scene.now);
    assert.ok(first.length <= 65_536 && first.length > 3 * 16_384);
    const second = scene.machine.transmit(scene.now);
    const frames = [first, second].flatMap((bytes) => decodeMessage(bytes, 'client'));
    assert.equal(frames.length, 6);
});

test('each limit refuses what goes over it', () => {
    const scene = Scene.inLobby({ requests_max: 2, rooms_max: 1 });
    scene.ask(send('x'.repeat(16_385)));
    scene.ask(send('no key', 'zz'));
    scene.ask({ kind: 'join', room: '' });
    scene.ask({ kind: 'join', room: 'lobby' });
    scene.ask({ kind: 'join', room: 'other' });
    scene.ask({ kind: 'leave', room: 'other' });
    assert.deepEqual(scene.outcomes(), ['invalid', 'invalid', 'invalid', 'already_joined', 'too_many_rooms', 'not_joined']);
    scene.ask(send('1')).ask(send('2')).ask(send('3'));
    assert.deepEqual(scene.outcomes(), ['queue_full']);
    const [first] = scene.sent();
    scene.says({ kind: 'sent', id: first.id, position: at(6), time: 1 });
    scene.ask(send('4'));
    assert.deepEqual(scene.outcomes(), ['sent']);
});

test('frames of a later version are passed over; a reply among them ends its request', () => {
    const scene = Scene.inLobby();
    scene.ask(send('x'));
    const [{ id }] = scene.sent();
    scene.machine.receive(scene.now, Uint8Array.of(0x93, 0x7f, 0x07, 0x01, 0x92, 0x5f, id));
    assert.equal(scene.machine.state, 'live');
    assert.deepEqual(scene.outcomes(), ['unreadable']);
});

test('pushes of a room that is not joined are passed over', () => {
    const scene = Scene.inLobby();
    scene.says({ ...message(6), room: 99 });
    assert.equal(scene.machine.state, 'live');
    assert.deepEqual(scene.events(), []);
});

const passed = (from, to) => ({ kind: 'passed', room: 7, epoch: EPOCH, from, to, members: 5000 });

test('what passed in a large room is not asked for again, and must be next like an event', () => {
    const scene = Scene.inLobby().says(passed(6, 9), message(10));
    assert.deepEqual(scene.events()[0], { type: 'passed', room: 'lobby', position: at(9), members: 5000 });
    scene.machine.lost(scene.now, 'gone');
    scene.reconnect();
    assert.deepEqual(scene.sent()[0].resume, at(10));
    for (const wrong of [passed(7, 9), passed(5, 9), passed(6, 5)]) {
        const broken = Scene.inLobby().says(wrong);
        assert.equal(broken.events().at(-1).why.cause, 'protocol');
    }
});

test('a stream goes on across reconnects, beside a room of the same name', () => {
    const scene = Scene.inLobby();
    scene.ask({ kind: 'open_stream', stream: 'personal' }).ask({ kind: 'join', room: 'personal' });
    const [open, join] = scene.sent();
    assert.deepEqual([open.kind, open.stream, join.kind], ['open_stream', 'personal', 'join']);
    scene.says({ kind: 'joined', id: open.id, room: 9, position: at(3), head: 3, members: 1, reset: null });
    scene.says({ ...message(4), room: 9 });
    assert.deepEqual(scene.events().map(({ type, stream }) => [type, stream]), [['stream', 'personal']]);
    scene.machine.lost(scene.now, 'gone');
    scene.reconnect();
    assert.deepEqual(scene.sent().find(({ kind }) => kind === 'open_stream').resume, at(4));
});

test('what is shown is said again behind the join', () => {
    const scene = Scene.inLobby().ask({ kind: 'view', room: 'lobby', thread: 3 });
    const [view] = scene.sent();
    assert.deepEqual([view.room, view.thread], [7, 3]);
    scene.says({ kind: 'done', id: view.id });
    scene.machine.lost(scene.now, 'gone');
    scene.reconnect();
    const [join] = scene.sent();
    scene.says({ kind: 'joined', id: join.id, room: 12, position: at(5), head: 5, members: 1, reset: null });
    const [again] = scene.sent();
    assert.deepEqual([again.kind, again.room, again.thread], ['view', 12, 3]);
});

test('what is shown is said again when something was dropped', () => {
    const scene = Scene.inLobby();
    scene.says({ kind: 'dropped', signals: 2 });
    assert.deepEqual(scene.sent(), []);
    scene.ask({ kind: 'view', room: 'lobby', thread: 3 });
    const [view] = scene.sent();
    scene.says({ kind: 'done', id: view.id });
    scene.says({ kind: 'dropped', signals: 2 });
    const [again] = scene.sent();
    assert.deepEqual([again.kind, again.room, again.thread], ['view', 7, 3]);
});

test('of signals the newest of a name goes out, a flood waits bounded, and a refused one costs nothing else', () => {
    const scene = Scene.inLobby();
    const signal = (name, body) => ({ kind: 'signal', room: 'lobby', name, body });
    scene.ask(signal('cursor', '01')).ask(signal('zoom', '02')).ask(signal('cursor', '03'));
    assert.deepEqual(scene.sent().map(({ room, name, body }) => [room, name, body]), [[7, 'zoom', '02'], [7, 'cursor', '03']]);
    assert.deepEqual(scene.outcomes(), ['done', 'done', 'done']);
    for (let count = 0; count < 1000; count += 1) scene.ask(signal(`s${count}`, ''));
    assert.equal(scene.sent().length, 64);
    scene.says({ kind: 'error', id: null, code: 4003, retry_after_ms: null, explanation: 'muted' });
    assert.equal(scene.machine.state, 'live');
    scene.outcomes();
    scene.machine.lost(scene.now, 'gone');
    assert.deepEqual(scene.ask(signal('cursor', '')).outcomes(), ['disconnected']);
});

test('a user who is kept out is told why', () => {
    for (const reason of ['removed', 'banned', 'hidden']) {
        const scene = Scene.inLobby().says({ kind: 'removed', room: 7, reason });
        assert.deepEqual(scene.events(), [{ type: 'removed', room: 'lobby', why: { cause: reason } }]);
    }
});
