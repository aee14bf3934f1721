/**
 * Where one writes. Enter sends, Shift+Enter begins a line. What is not sent yet stays with its room.
 * @module
 */

import { LIMITS, bytesOf } from '../../../clients/web/index.js';
import { el, icon, setText } from './dom.js';

/** From here on the remaining room is shown. */
const BYTES_SHOWN = LIMITS.message_text_bytes_max - 1000;

/** @param {{ chat: import('../model/chat.js').Chat, sent: () => void }} options */
export function composer({ chat, sent }) {
    /** What is half written, by room. @type {Map<string, string>} */
    const drafts = new Map();
    let shown = null;
    const hint = el('p', { class: 'hint', role: 'status' });
    const field = el('textarea', { id: 'message', rows: '1', 'aria-label': 'Message', autocomplete: 'off', enterkeyhint: 'send' });
    const button = el('button', { class: 'send', type: 'submit', 'aria-label': 'Send', disabled: true }, icon('send'));
    const form = el('form', { class: 'composer', on: { submit: (event) => { event.preventDefault(); send(); } } }, el('div', { class: 'writing' }, field, button), hint);

    function bytesLeft() {
        return LIMITS.message_text_bytes_max - bytesOf(field.value.trim());
    }

    function send() {
        const text = field.value.trim();
        if (text === '' || bytesLeft() < 0 || chat.current === null) return;
        chat.say(text);
        field.value = '';
        changed();
        field.focus();
        sent();
    }

    function changed() {
        const left = bytesLeft();
        const isLong = LIMITS.message_text_bytes_max - left > BYTES_SHOWN;
        setText(hint, left < 0 ? `Too long by ${-left} bytes` : isLong ? `${left} bytes left` : '');
        hint.classList.toggle('trouble', left < 0);
        button.disabled = field.value.trim() === '' || left < 0;
    }

    field.addEventListener('input', () => {
        changed();
        if (field.value.trim() === '') chat.stopTyping();
        else chat.typing();
    });
    field.addEventListener('keydown', (event) => {
        // A key that ends a composed character (as in Japanese) is not for sending.
        if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
        event.preventDefault();
        send();
    });

    function update() {
        const room = chat.current;
        form.hidden = room === null || ['left', 'removed', 'failed'].includes(room.state);
        if (room === null || room === shown) return;
        if (shown !== null) drafts.set(shown.id, field.value);
        shown = room;
        field.value = drafts.get(room.id) ?? '';
        changed();
    }

    function named() {
        const title = chat.current?.title ?? '';
        const placeholder = `Write to ${title}`;
        if (field.placeholder !== placeholder) field.placeholder = placeholder;
    }

    return { node: form, update: () => { update(); named(); }, focus: () => field.focus() };
}
