/**
 * Who is in the room, and who of them is here now.
 * @module
 */

import { avatar, el, icon, person, reconcile, setText } from './dom.js';

// Whose state the server does not tell, and everybody's while there is no connection, is unknown.
const ORDER = { active: 0, busy: 1, idle: 2, away: 3, offline: 4, unknown: 5 };
/** What looks like another. */
const LIKE = { away: 'idle', busy: 'idle' };
const WORDS = { active: 'Here now', away: 'Away', busy: 'Do not disturb', idle: 'Away', offline: 'Not here', unknown: '' };
/** Most people listed. */
const SHOWN_MAX = 256;

/** @param {{ chat: import('../model/chat.js').Chat, leave: () => void, close: () => void }} options */
export function members({ chat, leave, close }) {
    const title = el('h2', {}, 'People');
    const list = el('ul', { class: 'people' });
    const more = el('p', { class: 'hint' });
    const node = el(
        'aside', { class: 'members', id: 'members', 'aria-label': 'People in this room' },
        el('header', {}, title, el('button', { class: 'quiet', type: 'button', 'aria-label': 'Close the list of people', on: { click: close } }, icon('close'))),
        list,
        more,
        el('button', { class: 'leave', type: 'button', on: { click: leave } }, icon('door'), 'Leave this room'),
    );

    function entry({ user, presence, isMe }) {
        return el(
            'li', { class: `member ${LIKE[presence] ?? presence}`, data: { user } },
            el('span', { class: 'with-dot' }, avatar(user), el('span', { class: `dot ${LIKE[presence] ?? presence}`, 'aria-hidden': 'true' })),
            el('span', { class: 'who' }, el('span', {}, person(user), isMe ? ' (you)' : null), el('span', { class: 'state' }, WORDS[presence])),
        );
    }

    function update() {
        const room = chat.current;
        const people = [...(room?.members ?? [])].map((user) => {
            const known = chat.link.state === 'live' ? chat.presence.get(user) : undefined;
            return { key: user, user, presence: known ?? 'unknown', isMe: user === chat.me };
        });
        people.sort((a, b) => ORDER[a.presence] - ORDER[b.presence] || a.user.localeCompare(b.user));
        reconcile(list, people.slice(0, SHOWN_MAX), entry);
        const others = (room?.memberCount ?? 0) - Math.min(people.length, SHOWN_MAX);
        setText(more, others > 0 ? `and ${others} more` : '');
        setText(title, room?.memberCount ? `People · ${room.memberCount}` : 'People');
    }

    return { node, update };
}
