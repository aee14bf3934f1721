/**
 * The text of a message, cut into what is text and what is a link. Only addresses that a browser takes
 * for http or https become links: what they show is what they open.
 * @module
 */

const CANDIDATE = /\bhttps?:\/\/[^\s<>"'`\u0000-\u001f\u200b-\u200f\u2028-\u202e\u2066-\u2069]+/giu;
/** What ends a sentence rather than an address. */
const TRAILING = /[.,;:!?)\]}*_~…]+$/u;

/** @returns {({ text: string } | { text: string, href: string })[]} */
export function segments(text) {
    const found = [];
    let from = 0;
    for (const match of text.matchAll(CANDIDATE)) {
        const shown = trimmed(match[0]);
        const href = safeHref(shown);
        if (href === null) continue;
        if (match.index > from) found.push({ text: text.slice(from, match.index) });
        found.push({ text: shown, href });
        from = match.index + shown.length;
    }
    if (from < text.length) found.push({ text: text.slice(from) });
    return found;
}

/** Without the punctuation behind it; a closing bracket stays when the address opened it. */
function trimmed(candidate) {
    const cut = candidate.replace(TRAILING, '');
    return candidate[cut.length] === ')' && cut.includes('(') ? `${cut})` : cut;
}

function safeHref(text) {
    try {
        const url = new URL(text);
        return ['http:', 'https:'].includes(url.protocol) && url.hostname !== '' ? url.href : null;
    } catch {
        return null;
    }
}

const ONLY_EMOJI = /^(?:\p{Extended_Pictographic}(?:\ufe0f|\u200d\p{Extended_Pictographic}|\p{Emoji_Modifier})*\s*){1,3}$/u;

/** Whether it is a few emoji and nothing else: those are shown large. */
export function isEmojiOnly(text) {
    return text.length <= 40 && ONLY_EMOJI.test(text.trim());
}
