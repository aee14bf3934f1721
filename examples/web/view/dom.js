/**
 * The little that this page needs to make elements. Text only ever becomes a text node: nothing that a
 * person wrote is read as HTML anywhere.
 * @module
 */

/**
 * An element. `on` holds event handlers, `data` its data attributes; a child may be text, null or a list.
 * @returns {HTMLElement}
 */
export function el(tag, { on = {}, data = {}, ...attributes } = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        if (value !== null && value !== false) element.setAttribute(name, value === true ? '' : value);
    }
    for (const [name, value] of Object.entries(data)) element.dataset[name] = value;
    for (const [name, handler] of Object.entries(on)) element.addEventListener(name, handler);
    element.append(...children.flat().filter((child) => child !== null));
    return element;
}

const ICONS = {
    plus: 'M12 5v14M5 12h14',
    menu: 'M4 7h16M4 12h16M4 17h16',
    people: 'M16 19v-1.500a3.500 3.500 0 0 0-3.500-3.500h-5A3.500 3.500 0 0 0 4 17.500V19M10 10.500a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM20 19v-1.500a3.500 3.500 0 0 0-2.500-3.350M15.500 4.650a3 3 0 0 1 0 5.700',
    close: 'M6 6l12 12M18 6 6 18',
    send: 'M5 12h13M12.500 6l6 6-6 6',
    link: 'M10 14a4 4 0 0 0 5.700 0l3-3a4 4 0 0 0-5.700-5.700l-.8.8M14 10a4 4 0 0 0-5.700 0l-3 3A4 4 0 0 0 11 18.700l.8-.8',
    down: 'M12 5v13M6 12.500l6 6 6-6',
    pencil: 'M4 20h4L19 9a2.100 2.100 0 0 0-4-4L4 16v4ZM13.500 6.500l4 4',
    door: 'M14 4h4a1 1 0 0 1 1 1v14a1 1 0 0 1-1 1h-4M10 16l-4-4 4-4M6 12h9',
};

/** A picture beside a label, or inside a button that has one. */
export function icon(name) {
    const namespace = 'http://www.w3.org/2000/svg';
    const svg = document.createElementNS(namespace, 'svg');
    const path = document.createElementNS(namespace, 'path');
    svg.setAttribute('viewBox', '0 0 24 24');
    svg.setAttribute('aria-hidden', 'true');
    svg.setAttribute('class', 'icon');
    path.setAttribute('d', ICONS[name]);
    svg.append(path);
    return svg;
}

/** A round picture of a person: one or two letters, a tint that is always theirs. */
export function avatar(name) {
    const [first = '?', second = ''] = name.trim().split(/[\s._-]+/u).filter((word) => word !== '').map((word) => Array.from(word)[0]);
    let hash = 7;
    for (const character of name) hash = (hash * 131 + character.codePointAt(0)) % 65_521;
    return el('span', { class: `avatar tint-${hash % 8}`, 'aria-hidden': 'true' }, (first + second).toUpperCase());
}

/** A person's name, which keeps its own direction of writing to itself. */
export function person(name) {
    return el('bdi', { class: 'person' }, name);
}

/**
 * Brings the children of `parent` in line with `items`: those with the same key and the same looks stay,
 * so that focus, selection and scrolling do.
 * @param {{ key: string }[]} items
 * @param {(item: any) => HTMLElement} make
 */
export function reconcile(parent, items, make) {
    const old = parent.kept ?? new Map();
    const kept = new Map();
    let next = parent.firstChild;
    for (const item of items) {
        const looks = JSON.stringify(item);
        let entry = old.get(item.key);
        if (!entry || entry.looks !== looks) {
            const node = make(item);
            if (entry) {
                if (entry.node === next) next = next.nextSibling;
                entry.node.remove();
            }
            entry = { node, looks };
        }
        old.delete(item.key);
        kept.set(item.key, entry);
        if (entry.node === next) next = next.nextSibling;
        else parent.insertBefore(entry.node, next);
    }
    for (const { node } of old.values()) node.remove();
    parent.kept = kept;
}

/** Sets text without touching what is the same, so that nothing is announced twice. */
export function setText(element, text) {
    if (element.textContent !== text) element.textContent = text;
}
