/**
 * Times and days as people of the browser's own language write them.
 * @module
 */

const TIME = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const YEAR = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'long', year: 'numeric' });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'short' });

export function timeOf(time) {
    return TIME.format(time);
}

export function fullTimeOf(time) {
    return FULL.format(time);
}

export function dayOf(time, now = new Date()) {
    const date = new Date(time);
    const midnight = (of) => new Date(of.getFullYear(), of.getMonth(), of.getDate()).getTime();
    const days = Math.round((midnight(now) - midnight(date)) / 86_400_000);
    if (days === 0) return 'Today';
    if (days === 1) return 'Yesterday';
    return date.getFullYear() === now.getFullYear() ? DAY.format(date) : YEAR.format(date);
}
