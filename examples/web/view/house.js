/**
 * The page once one is in: rooms on the left, the talk in the middle, people on the right.
 * @module
 */

import { idOfTitle, writeAddress } from '../model/address.js';
import { composer } from './composer.js';
import { el, icon, setText } from './dom.js';
import { members } from './members.js';
import { panels } from './panels.js';
import { sidebar } from './sidebar.js';
import { timeline } from './timeline.js';

/** @param {{ chat: import('../model/chat.js').Chat, opened: (id: string | null) => void, rename: () => void }} options */
export function house({ chat, opened, rename }) {
    const title = el('h1', {});
    const count = el('p', { class: 'count' });
    const menu = el('button', { class: 'quiet only-narrow menu', type: 'button', 'aria-label': 'Rooms', 'aria-controls': 'sidebar', on: { click: () => sides.openSidebar(menu) } }, icon('menu'), el('span', { class: 'pip', 'aria-hidden': 'true' }));
    const people = el('button', { class: 'quiet', type: 'button', 'aria-label': 'People', title: 'People', 'aria-controls': 'members', on: { click: () => sides.toggleMembers(people) } }, icon('people'));
    const copy = el('button', { class: 'quiet', type: 'button', 'aria-label': 'Copy the link to this room', title: 'Copy the link to this room', on: { click: share } }, icon('link'));
    const strip = el('div', { class: 'strip', role: 'status' });
    const news = el('p', { class: 'hidden', 'aria-live': 'polite' });
    const talk = timeline({ chat, invite: inviteButton });
    const writing = composer({ chat, sent: talk.toEnd });
    const nowhere = el(
        'div', { class: 'empty nowhere' },
        el('h2', {}, 'Where to?'),
        el('p', {}, 'Join a room by its name, or open a new one.'),
        el('button', { class: 'primary', type: 'button', on: { click: () => open(idOfTitle('Lobby'), 'Lobby') } }, 'Go to the lobby'),
    );
    const main = el('main', { class: 'main' }, el('header', { class: 'bar' }, menu, el('div', { class: 'titles' }, title, count), copy, people), strip, nowhere, talk.node, writing.node, news);
    const left = sidebar({ chat, open, rename, close: () => sides.closeOver() });
    const right = members({ chat, leave: leaveRoom, close: () => sides.hideMembers() });
    const sides = panels({ sidebar: left.node, members: right.node, main });
    const node = el('div', { class: 'house' }, left.node, main, right.node, sides.shade);
    chat.isLooking = talk.isLooking;
    chat.isReadingBack = talk.isReadingBack;
    let stripTimer = null;

    function open(id, roomTitle = null) {
        sides.closeOver();
        if (!chat.open(id, roomTitle)) {
            tell(`You are in ${chat.rooms.size} rooms, which is as many as this page holds. Leave one first.`);
            return;
        }
        opened(id);
        // On a phone the keyboard opens only when one asks for it.
        if (window.matchMedia('(hover: hover)').matches) writing.focus();
    }

    async function leaveRoom() {
        sides.closeOver();
        await chat.leave(chat.current);
        if (chat.current === null) opened(null);
    }

    function inviteButton() {
        return el('button', { class: 'primary', type: 'button', on: { click: share } }, icon('link'), el('span', {}, 'Copy the link'));
    }

    async function share() {
        if (chat.current === null) return;
        const link = new URL(writeAddress({ room: chat.current.id, tenant: chat.tenant }), window.location.href).href;
        try {
            await navigator.clipboard.writeText(link);
            tell('The link to this room is copied.');
        } catch {
            tell(`The link to this room: ${link}`);
        }
    }

    /** Says something in passing. */
    function tell(words) {
        clearTimeout(stripTimer);
        strip.replaceChildren(el('span', {}, words));
        strip.className = 'strip shown';
        stripTimer = setTimeout(() => { stripTimer = null; linkStrip(); }, 5000);
    }

    function linkStrip() {
        if (stripTimer !== null) return;
        const { state, hasBeenLive, why } = chat.link;
        const isCalm = state === 'live' || (!hasBeenLive && state === 'connecting');
        const kind = isCalm ? 'none' : state === 'ended' ? 'ended' : 'lost';
        if (strip.dataset.kind === kind && strip.className !== 'strip') return;
        strip.dataset.kind = kind;
        if (kind === 'none') {
            strip.className = 'strip';
            strip.replaceChildren();
            return;
        }
        strip.className = 'strip shown';
        if (kind === 'ended') {
            strip.replaceChildren(el('span', {}, `The server ended this: ${why?.explanation || 'it gave no reason'}.`), el('button', { class: 'inline', type: 'button', on: { click: rename } }, 'Start over'));
        } else {
            strip.replaceChildren(el('span', { class: 'spinner', 'aria-hidden': 'true' }), el('span', {}, 'Connection lost, coming back. What you write is kept.'), el('button', { class: 'inline', type: 'button', on: { click: () => chat.hurry() } }, 'Try now'));
        }
    }

    function update(what) {
        const room = chat.current;
        node.classList.toggle('no-room', room === null);
        nowhere.hidden = room !== null;
        talk.node.hidden = room === null;
        for (const button of [copy, people]) button.hidden = room === null;
        setText(title, room?.title ?? 'Homeroom');
        const here = [...(room?.members ?? [])].filter((user) => ['active', 'idle', 'away', 'busy'].includes(chat.presence.get(user))).length;
        setText(count, room === null || room.memberCount === 0 ? '' : `${room.memberCount} ${room.memberCount === 1 ? 'person' : 'people'}${here > 0 && chat.link.state === 'live' ? `, ${here} here` : ''}`);
        talk.update();
        left.update();
        right.update();
        writing.update();
        sides.update();
        linkStrip();
        const others = [...chat.rooms.values()].some((each) => each !== room && each.unread > 0);
        menu.classList.toggle('unread', others);
        if (what?.message && what.room === room) setText(news, `${what.message.author}: ${what.message.body.text}`);
    }

    return { node, update, open, focus: writing.focus, looked: talk.looked, end: sides.end };
}
