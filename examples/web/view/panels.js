/**
 * The two sides of the page. Where there is room they stand beside the talk; on a phone each slides over
 * it, takes the focus, and goes with Escape, a tap beside it, or its own button.
 * @module
 */

import { el } from './dom.js';

/** @param {{ sidebar: HTMLElement, members: HTMLElement, main: HTMLElement }} parts */
export function panels({ sidebar, members, main }) {
    const narrow = window.matchMedia('(max-width: 759px)');
    const wide = window.matchMedia('(min-width: 1100px)');
    const shade = el('div', { class: 'shade', on: { click: () => closeOver() } });
    /** Which panel lies over the talk. @type {HTMLElement | null} */
    let over = null;
    let isMembersWanted = true;
    let opener = null;

    function floats(panel) {
        return panel === sidebar ? narrow.matches : !wide.matches;
    }

    function update() {
        if (over !== null && !floats(over)) over = null;
        for (const panel of [sidebar, members]) {
            const beside = !floats(panel) && (panel === sidebar || isMembersWanted);
            panel.classList.toggle('over', panel === over);
            panel.inert = !beside && panel !== over;
        }
        members.parentElement?.classList.toggle('without-members', wide.matches && !isMembersWanted);
        main.inert = over !== null;
        shade.classList.toggle('shown', over !== null);
    }

    function openOver(panel, from) {
        over = panel;
        opener = from;
        update();
        panel.querySelector('button, input')?.focus();
    }

    function closeOver() {
        if (over === null) return;
        over = null;
        update();
        opener?.focus();
    }

    function toggleMembers(from) {
        if (!wide.matches) {
            openOver(members, from);
            return;
        }
        isMembersWanted = !isMembersWanted;
        update();
    }

    function hideMembers() {
        if (over === members) closeOver();
        else toggleMembers(null);
    }

    const keydown = (event) => { if (event.key === 'Escape') closeOver(); };
    document.addEventListener('keydown', keydown);
    narrow.addEventListener('change', update);
    wide.addEventListener('change', update);
    const end = () => {
        document.removeEventListener('keydown', keydown);
        narrow.removeEventListener('change', update);
        wide.removeEventListener('change', update);
    };
    return { shade, update, openSidebar: (from) => openOver(sidebar, from), closeOver, toggleMembers, hideMembers, end };
}
