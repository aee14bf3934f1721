/**
 * What the address of the page says behind its `#`: `#room=lobby`, and if need be `&tenant=…`, `&name=…`.
 * A name is taken from it once and then removed: a link that is passed on invites, it does not impersonate.
 * @module
 */

import { LIMITS, bytesOf } from '../../../clients/web/index.js';

export const TENANT = 'default';

/** @returns {{ room: string | null, tenant: string, name: string | null }} */
export function readAddress(hash) {
    const said = new URLSearchParams(hash.replace(/^#/, ''));
    const room = said.get('room');
    const name = said.get('name');
    return {
        room: room !== null && isId(room) ? room : null,
        tenant: said.get('tenant') || TENANT,
        name: name !== null && isId(name.trim()) ? name.trim() : null,
    };
}

export function writeAddress({ room, tenant }) {
    const said = new URLSearchParams();
    if (room !== null) said.set('room', room);
    if (tenant !== TENANT) said.set('tenant', tenant);
    return `#${said}`;
}

/** Whether a server takes it for a name or the id of a room. */
export function isId(text) {
    return text !== '' && bytesOf(text) <= LIMITS.id_bytes_max && !/\p{Cc}/u.test(text);
}

/** The id of a room that people call `title`: the same for all who mean the same name. */
export function idOfTitle(title) {
    let id = title.normalize('NFC').toLowerCase().replace(/[^\p{L}\p{N}\p{M}]+/gu, '-').replace(/^-+|-+$/g, '');
    while (bytesOf(id) > LIMITS.id_bytes_max) id = Array.from(id).slice(0, -1).join('');
    return id;
}

/** The address of the server that served the page. */
export function serverUrl({ protocol, host }) {
    return `${protocol === 'https:' ? 'wss:' : 'ws:'}//${host}`;
}
