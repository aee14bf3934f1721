/**
 * Who one is and where: the door first, then the house, and the address of the page in step with both.
 * @module
 */

import { CLOSES } from '../../clients/web/index.js';
import { readAddress, serverUrl, writeAddress } from './model/address.js';
import { Chat } from './model/chat.js';
import { Shelf, whoOf } from './model/shelf.js';
import { door } from './view/door.js';
import { house } from './view/house.js';

/** A page that nobody sees for this long says that its user is away. */
const AWAY_AFTER_MS = 60_000;

const shelf = new Shelf(storage());
/** @type {{ chat: Chat, page: ReturnType<typeof house> } | null} */
let inside = null;
let awayTimer = null;

function storage() {
    try {
        return window.localStorage;
    } catch {
        return null;
    }
}

function arrive() {
    const { room, tenant, name } = readAddress(window.location.hash);
    if (name !== null) shelf.name = name;
    if (name !== null) window.history.replaceState(null, '', writeAddress({ room, tenant }));
    const known = shelf.name;
    const hasRooms = known !== null && shelf.rooms(whoOf(tenant, known)).length > 0;
    if (known !== null && (room !== null || hasRooms)) enter(known, room === null ? null : { id: room, title: null });
    else showDoor(null);
}

/** @param {{ id: string, title: string | null } | null} chosen the room that was asked for before, if one was */
function showDoor(problem, chosen = null) {
    const { room: id } = readAddress(window.location.hash);
    const room = chosen ?? (id === null ? null : { id, title: null });
    const { node, focus } = door({ name: shelf.name, room, problem, enter });
    document.body.replaceChildren(node);
    document.title = 'Homeroom';
    focus();
}

function enter(name, room) {
    shelf.name = name;
    const { tenant } = readAddress(window.location.hash);
    let isDue = false;
    let page = null;
    let last;
    // However much happens at once, it is shown once.
    const changed = (what) => {
        last = what ?? last;
        if (isDue) return;
        isDue = true;
        queueMicrotask(() => {
            isDue = false;
            if (inside?.page !== page || page === null) return;
            const { state, hasBeenLive, why } = inside.chat.link;
            if (state === 'ended' && !hasBeenLive && why?.code === CLOSES.unauthenticated) {
                leave('This name cannot be used here.', room);
                return;
            }
            page.update(last);
            last = undefined;
            titleOf(inside.chat);
        });
    };
    const chat = new Chat({ url: serverUrl(window.location), tenant, name, shelf, changed });
    page = house({ chat, opened: (id) => goTo(id, tenant), rename: () => leave() });
    inside = { chat, page };
    document.body.replaceChildren(page.node);
    const first = room?.id ?? [...chat.rooms.keys()][0];
    attend();
    if (first === undefined) page.update();
    else page.open(first, room?.title ?? null);
}

/** Back to the door, to be somebody else. */
function leave(problem = null, room = null) {
    inside?.chat.close();
    inside?.page.end();
    inside = null;
    showDoor(problem, room);
}

function goTo(room, tenant) {
    const hash = writeAddress({ room, tenant });
    if (window.location.hash !== hash) window.history.pushState(null, '', hash);
}

function titleOf(chat) {
    const unread = [...chat.rooms.values()].reduce((sum, room) => sum + room.unread, 0);
    const badge = unread > 0 ? `(${unread}) ` : '';
    const title = `${badge}${chat.current ? `${chat.current.title} · ` : ''}Homeroom`;
    if (document.title !== title) document.title = title;
}

/** The address was changed by hand, or by going back. */
window.addEventListener('hashchange', () => {
    const { room, tenant } = readAddress(window.location.hash);
    if (inside === null || inside.chat.tenant !== tenant) {
        leave();
        arrive();
    } else if (room !== null && room !== inside.chat.current?.id) {
        inside.page.open(room);
    }
});

function attend() {
    clearTimeout(awayTimer);
    if (document.visibilityState === 'visible') {
        inside?.chat.setPresence('active');
        inside?.page.looked();
    } else {
        awayTimer = setTimeout(() => inside?.chat.setPresence('idle'), AWAY_AFTER_MS);
    }
}

document.addEventListener('visibilitychange', attend);

/** Where a keyboard covers the page instead of shrinking it, the page shrinks itself. */
window.visualViewport?.addEventListener('resize', () => {
    if (window.visualViewport.scale !== 1) return;
    document.documentElement.style.setProperty('--height', `${window.visualViewport.height}px`);
    window.scrollTo(0, 0);
});

arrive();
