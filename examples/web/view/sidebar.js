/**
 * One's rooms, the way to another, and who one is.
 * @module
 */

import { idOfTitle } from '../model/address.js';
import { avatar, el, icon, person, reconcile, setText } from './dom.js';

/** @param {{ chat: import('../model/chat.js').Chat, open: (id: string, title?: string) => void, rename: () => void, close: () => void }} options */
export function sidebar({ chat, open, rename, close }) {
    const list = el('ul', { class: 'rooms' });
    const field = el('input', { id: 'new-room', autocomplete: 'off', maxlength: '64', placeholder: 'Join or open a room', 'aria-label': 'Name of a room to join or open' });
    const submit = (event) => {
        event.preventDefault();
        const title = field.value.trim();
        const id = idOfTitle(title);
        if (id === '') {
            field.focus();
            return;
        }
        field.value = '';
        open(id, title);
    };
    const state = el('span', { class: 'state' });
    const dot = el('span', { class: 'dot', 'aria-hidden': 'true' });
    const node = el(
        'nav', { class: 'sidebar', id: 'sidebar', 'aria-label': 'Rooms' },
        el(
            'div', { class: 'brand' },
            el('img', { src: '/icon.svg', alt: '', width: '30', height: '30' }),
            el('span', {}, 'Homeroom'),
            el('button', { class: 'quiet only-narrow', type: 'button', 'aria-label': 'Close the list of rooms', on: { click: close } }, icon('close')),
        ),
        list,
        el('form', { class: 'new-room', on: { submit } }, field, el('button', { class: 'quiet', type: 'submit', 'aria-label': 'Enter this room' }, icon('plus'))),
        el(
            'div', { class: 'me' },
            el('span', { class: 'with-dot' }, avatar(chat.me), dot),
            el('span', { class: 'who' }, person(chat.me), state),
            el('button', { class: 'quiet', type: 'button', 'aria-label': 'Change your name', title: 'Change your name', on: { click: rename } }, icon('pencil')),
        ),
    );

    function entry({ id, title, isCurrent, unread, preview, state: how }) {
        const label = unread > 0 ? `, ${unread} unread` : '';
        return el(
            'li', {},
            el(
                'button', { class: `room${isCurrent ? ' current' : ''}${unread > 0 ? ' unread' : ''}`, type: 'button', 'aria-current': isCurrent ? 'page' : null, data: { room: id }, on: { click: () => open(id) } },
                el('span', { class: 'room-title' }, el('bdi', {}, title)),
                unread > 0 ? el('span', { class: 'badge', 'aria-hidden': 'true' }, unread > 99 ? '99+' : String(unread)) : null,
                el('span', { class: 'room-preview' }, how === 'left' || how === 'removed' ? 'You are not in it' : how === 'failed' ? 'Could not enter' : preview),
                el('span', { class: 'hidden' }, label),
            ),
        );
    }

    function update() {
        const rooms = [...chat.rooms.values()].map((room) => {
            const last = room.preview;
            const preview = last === null ? '' : `${last.author === chat.me ? 'You' : last.author}: ${last.body.text.slice(0, 80).replace(/\s+/g, ' ')}`;
            return { key: room.id, id: room.id, title: room.title, isCurrent: room === chat.current, unread: room.unread, preview, state: room.state };
        });
        reconcile(list, rooms, entry);
        const { state: link, hasBeenLive } = chat.link;
        const words = { live: 'Connected', ended: 'Not connected' }[link] ?? (hasBeenLive ? 'Reconnecting' : 'Connecting');
        setText(state, words);
        dot.className = `dot ${link === 'live' ? 'active' : 'offline'}`;
    }

    return { node, update, focusNew: () => field.focus() };
}
