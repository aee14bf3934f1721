/**
 * What was said, the newest at the bottom. It stays at the bottom while one is there, and stays where it
 * is while one reads further up, whatever comes in above or below.
 * @module
 */

import { isEmojiOnly, segments } from '../model/prose.js';
import { rowsOf } from '../model/rows.js';
import { dayOf, fullTimeOf, timeOf } from './clock.js';
import { avatar, el, icon, person, reconcile, setText } from './dom.js';

/** This close to the bottom one is at the bottom, in pixels. */
const AT_END = 60;
/** This close to the top the next page is read. */
const NEAR_TOP = 600;

const NOTICES = { created: 'opened this room', joined: 'joined', left: 'left', added: 'came in', removed: 'was asked to leave' };

/** @param {{ chat: import('../model/chat.js').Chat, invite: () => HTMLElement }} options */
export function timeline({ chat, invite }) {
    const list = el('ol', { class: 'rows' });
    const top = el('p', { class: 'top' });
    const empty = el('div', { class: 'empty' });
    const scroller = el('div', { class: 'timeline', role: 'log', 'aria-label': 'Messages', 'aria-live': 'off', tabindex: '0' }, top, empty, list);
    const jump = el('button', { class: 'jump', type: 'button', hidden: true, on: { click: toEnd } }, icon('down'), el('span', {}, 'Newest'));
    const typing = el('p', { class: 'typing' });
    const node = el('div', { class: 'talk' }, scroller, jump, typing);
    let shown = null;
    let isAtEnd = true;

    function toEnd() {
        scroller.scrollTop = scroller.scrollHeight;
        isAtEnd = true;
        looked();
    }

    function looked() {
        if (isLooking()) chat.look();
        jump.hidden = isAtEnd || shown === null;
        jump.classList.toggle('unread', (shown?.unread ?? 0) > 0);
    }

    function isLooking() {
        return isAtEnd && document.visibilityState === 'visible';
    }

    function isReadingBack() {
        return !isAtEnd;
    }

    scroller.addEventListener('scroll', () => {
        isAtEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < AT_END;
        older();
        looked();
    }, { passive: true });
    // A keyboard that opens, or a message box that grows, takes room from the end.
    new ResizeObserver(() => { if (isAtEnd) toEnd(); }).observe(scroller);

    function older() {
        if (shown !== null && shown.loaded && scroller.scrollTop < NEAR_TOP) chat.older(shown);
    }

    /** The first row one sees and where it stands, to put it back there. */
    function anchor() {
        const edge = scroller.getBoundingClientRect().top;
        for (const row of list.children) {
            const { top: at, bottom } = row.getBoundingClientRect();
            if (bottom > edge) return { row, at };
        }
        return null;
    }

    function update() {
        const room = chat.current;
        if (room !== shown) {
            list.replaceChildren();
            list.kept = new Map();
            shown = room;
            isAtEnd = true;
        }
        if (room === null) return;
        const before = isAtEnd ? null : anchor();
        const isOffline = chat.link.state !== 'live';
        const rows = rowsOf(room).map((row) => (row.pending ? { ...row, isOffline } : row));
        // What looks different tomorrow is made anew tomorrow.
        reconcile(list, rows.map((row) => (row.type === 'day' ? { ...row, label: dayOf(row.time) } : row)), rowNode);
        setText(top, room.loading && room.loaded ? 'Reading further back…' : '');
        emptiness(room, rows);
        if (isAtEnd) {
            scroller.scrollTop = scroller.scrollHeight;
        } else if (before?.row.isConnected) {
            scroller.scrollTop += before.row.getBoundingClientRect().top - before.at;
        }
        whoTypes(room);
        older();
        looked();
    }

    function emptiness(room, rows) {
        const hasMessages = rows.some(({ type }) => type === 'message');
        const state = room.state === 'joined' && room.loaded && !room.more && !hasMessages ? 'quiet' : room.state;
        if (empty.dataset.state === state) return;
        empty.dataset.state = state;
        empty.replaceChildren(...emptyNodes(room, state));
    }

    function emptyNodes(room, state) {
        const enter = () => chat.open(room.id);
        switch (state) {
            case 'quiet': return [el('img', { src: '/icon.svg', alt: '', width: '64', height: '64' }), el('h2', {}, 'It is quiet in here'), el('p', {}, 'Say hello, or bring somebody along.'), invite()];
            case 'left': return [el('h2', {}, 'You left this room'), el('p', {}, 'Its people no longer see you here.'), el('button', { class: 'primary', type: 'button', on: { click: enter } }, 'Enter again')];
            case 'removed': return [el('h2', {}, 'You were taken out of this room'), el('p', {}, 'Somebody who looks after it ended your membership.'), el('button', { class: 'primary', type: 'button', on: { click: enter } }, 'Enter again')];
            case 'failed': return [el('h2', {}, 'The door would not open'), el('p', {}, `Nobody is to blame: ${room.problem}.`), el('button', { class: 'primary', type: 'button', on: { click: enter } }, 'Try again')];
            default: return [];
        }
    }

    function whoTypes({ typers: { users, count } }) {
        const named = users.slice(0, 3);
        const others = count - named.length;
        typing.classList.toggle('some', count > 0);
        if (count === 0) {
            if (typing.childNodes.length > 0) typing.replaceChildren();
            return;
        }
        const parts = named.flatMap((user, index) => [index === 0 ? null : index === named.length - 1 && others <= 0 ? ' and ' : ', ', person(user)]);
        const rest = others > 0 ? ` and ${others} more` : '';
        typing.replaceChildren(el('span', { class: 'dots', 'aria-hidden': 'true' }, el('i'), el('i'), el('i')), el('span', {}, ...parts.filter((part) => part !== null), `${rest} ${count === 1 ? 'is' : 'are'} typing`));
    }

    function rowNode(row) {
        switch (row.type) {
            case 'start': return el('li', { class: 'start' }, 'This is where it all began.');
            case 'day': return el('li', { class: 'day' }, el('span', {}, row.label));
            case 'fresh': return el('li', { class: 'fresh' }, el('span', {}, 'New'));
            case 'notice': return el('li', { class: 'notice' }, ...row.parts.flatMap(noticeNodes));
            default: return messageNode(row);
        }
    }

    function noticeNodes({ what, users, others }, index) {
        const people = users.flatMap((user, at) => [at === 0 ? null : ', ', person(user)]).filter((part) => part !== null);
        return [index === 0 ? '' : ' · ', ...people, `${others > 0 ? ` and ${others} more` : ''} ${NOTICES[what]}`];
    }

    function messageNode(row) {
        const { author, text, time, mine, first, last, pending, state } = row;
        const classes = ['message', mine && 'mine', first && 'first', last && 'last', pending && 'pending', state === 'failed' && 'failed'];
        const body = el('p', { class: `bubble${isEmojiOnly(text) ? ' large' : ''}`, dir: 'auto', title: fullTimeOf(time) }, ...prose(text));
        return el(
            'li', { class: classes.filter(Boolean).join(' ') },
            mine ? null : first ? avatar(author) : el('span', { class: 'gap' }),
            el(
                'div', { class: 'said' },
                first
                    ? el('p', { class: 'head' }, mine ? el('span', { class: 'hidden' }, 'You') : person(author), ' ', el('time', { datetime: new Date(time).toISOString() }, timeOf(time)))
                    : el('span', { class: 'hidden' }, mine ? 'You' : author, ' '),
                body,
                pending && state !== 'stored' ? fate(row) : null,
            ),
        );
    }

    function fate({ pending, state, problem, isOffline }) {
        if (state !== 'failed') return el('p', { class: 'fate' }, isOffline ? 'Waiting for the connection' : 'Sending…');
        return el(
            'p', { class: 'fate' }, `Not sent: ${problem}. `,
            el('button', { type: 'button', class: 'inline', on: { click: () => chat.again(shown, pending) } }, 'Send again'), ' ',
            el('button', { type: 'button', class: 'inline', on: { click: () => chat.discard(shown, pending) } }, 'Discard'),
        );
    }

    return { node, update, isLooking, isReadingBack, looked, toEnd };
}

function prose(text) {
    return segments(text).map(({ text: part, href }) => (href === undefined
        ? part
        : el('a', { href, target: '_blank', rel: 'noopener noreferrer nofollow ugc' }, part)));
}
