/**
 * The way in: a name, and a room to begin with.
 * @module
 */

import { idOfTitle, isId } from '../model/address.js';
import { el, icon } from './dom.js';

/**
 * @param {{ name: string | null, room: { id: string, title: string | null } | null, problem?: string | null,
 *     enter: (name: string, room: { id: string, title: string | null }) => void }} options
 */
export function door({ name, room, problem = null, enter }) {
    const trouble = el('p', { class: 'trouble', role: 'alert', id: 'trouble' }, problem ?? '');
    const nameField = el('input', {
        id: 'name', name: 'name', autocomplete: 'nickname', maxlength: '64', required: true, value: name ?? '',
        'aria-describedby': 'trouble', autocapitalize: 'words', spellcheck: 'false',
    });
    const roomField = room === null
        ? el('input', { id: 'room', name: 'room', autocomplete: 'off', maxlength: '64', required: true, value: 'Lobby', 'aria-describedby': 'room-hint' })
        : null;
    const submit = (event) => {
        event.preventDefault();
        const chosen = nameField.value.trim();
        if (!isId(chosen)) {
            trouble.textContent = chosen === '' ? 'Please say who you are.' : 'This name is too long, or has characters that cannot be shown.';
            nameField.focus();
            return;
        }
        if (roomField === null) {
            enter(chosen, room);
            return;
        }
        const title = roomField.value.trim();
        const id = idOfTitle(title);
        if (id === '') {
            trouble.textContent = 'A room needs a name with letters or digits.';
            roomField.focus();
            return;
        }
        enter(chosen, { id, title });
    };
    const form = el(
        'form', { class: 'card', on: { submit }, novalidate: true },
        el('img', { src: '/icon.svg', alt: '', width: '56', height: '56', class: 'mark' }),
        el('h1', {}, room === null ? 'Homeroom' : 'Come on in'),
        room === null
            ? el('p', { class: 'lead' }, 'Pick a name, open a room, and talk with everyone in it.')
            : el('p', { class: 'lead' }, 'You are invited to ', el('strong', {}, el('bdi', {}, room.title ?? room.id)), '.'),
        el('label', { for: 'name' }, 'Your name'),
        nameField,
        roomField && el('label', { for: 'room' }, 'Room'),
        roomField,
        roomField && el('p', { class: 'hint', id: 'room-hint' }, 'If nobody has opened it yet, you do.'),
        trouble,
        el('button', { class: 'primary', type: 'submit' }, 'Enter', icon('send')),
    );
    return { node: el('main', { class: 'door' }, form), focus: () => (name && roomField ? roomField : nameField).focus() };
}
