/**
 * One room as this browser knows it: a gapless stretch of its timeline that grows at both ends, and the
 * messages one has written that are not in it yet.
 * @module
 */

/** Most events kept while the newest are shown; older ones are read again when one scrolls up. */
export const EVENTS_KEPT = 500;
/** Most events kept while one scrolls up. */
export const EVENTS_MAX = 5000;
/** Most members known by name; more are counted only. */
const MEMBERS_MAX = 1000;
/** A key is remembered by the server for 24 hours; nothing older than this is sent again by itself. */
const RETRY_MS_MAX = 23 * 3_600_000;

/**
 * @typedef {object} Pending
 * @property {string} key
 * @property {string} text
 * @property {number} at when it was written
 * @property {'unsent' | 'sent' | 'stored' | 'failed'} state `sent`: given to the client, which retries
 * @property {string} [problem]
 * @property {number} [seq] its place, once stored
 * @property {boolean} [echoed] its event came before the answer
 */

export class Room {
    /** @type {'joining' | 'joined' | 'left' | 'removed' | 'failed'} */
    state = 'joining';
    /** Why it failed, for people. */
    problem = null;
    /** In the order of their seq, without gaps. */
    events = [];
    /** The newest event, or where the next follows. @type {{ epoch: number, seq: number } | null} */
    position = null;
    /** Counts how often the stream began anew: what was asked before belongs to another life. */
    life = 0;
    /** Whether there is more above what is loaded. */
    more = false;
    loading = false;
    /** Whether the first page came. */
    loaded = false;
    /** @type {Pending[]} */
    pending = [];
    typers = { users: [], count: 0 };
    members = new Set();
    memberCount = 0;
    /** The newest event that was looked at. @type {{ epoch: number, seq: number } | null} */
    seen = null;
    /** Messages of others above `seen`, as far as they are known. */
    unread = 0;
    /** Where the line "new" stands while one looks at the room. @type {number | null} */
    freshAfter = null;

    constructor({ id, title, me }) {
        this.id = id;
        this.title = title;
        this.me = me;
    }

    /** The stream begins at `position`, with nothing before it known. */
    begin(position) {
        this.life += 1;
        this.events = [];
        this.position = position;
        this.more = position.seq > 0;
        this.loaded = false;
        this.loading = false;
        this.typers = { users: [], count: 0 };
        // What is on disk is in the pages that are read now, or it is gone; its event does not come any more.
        this.pending = this.pending.filter(({ state }) => state !== 'stored');
    }

    /** Below which the next page lies. */
    get anchor() {
        return this.events.length > 0 ? this.events[0].seq : this.position.seq + 1;
    }

    /** Puts a page in front. One of another epoch is not of this timeline: the reset that says so is on its way. */
    prepend({ epoch, events, more }) {
        this.loading = false;
        if (epoch !== this.position.epoch) return;
        const { anchor } = this;
        this.events = [...events.filter(({ seq }) => seq < anchor), ...this.events];
        this.more = more && this.events.length < EVENTS_MAX;
        this.loaded = true;
        this.#learnTitle();
        this.#count();
    }

    /** The next event. @param {boolean} isAtEnd whether the newest are shown */
    append(event, position, isAtEnd) {
        this.events.push(event);
        this.position = position;
        // However long one reads further up, a busy room does not fill the page's memory.
        const most = isAtEnd ? EVENTS_KEPT : EVENTS_MAX;
        // A page that is on its way has to meet what it was asked for.
        if (!this.loading && this.events.length > most + 100) {
            this.events = this.events.slice(-most);
            this.more = true;
        }
        if (event.author === this.me && event.body.kind === 'message') this.#echo(event);
        if (['member_joined', 'member_added'].includes(event.body.kind)) this.#membership(event.body.member ?? event.author, true);
        if (['member_left', 'member_removed'].includes(event.body.kind)) this.#membership(event.body.member ?? event.author, false);
        if (event.body.kind === 'member_banned') this.#membership(event.body.user, false);
        this.#amend(event.body);
        this.#learnTitle();
        this.#count();
    }

    /** Changes of membership that are not told one by one. */
    pass(position, members) {
        this.position = position;
        this.memberCount = members;
    }

    /** A message that is shown was edited, or taken back. */
    #amend({ kind, target, text, version }) {
        if (kind !== 'message_edited' && kind !== 'message_deleted') return;
        const said = this.events.find(({ seq, body }) => seq === target && body.kind === 'message');
        if (!said) return;
        said.body = kind === 'message_deleted' ? { kind: 'tombstone' } : { ...said.body, text, state: { ...said.body.state, version } };
    }

    /** Everything up to the newest was looked at. */
    look() {
        if (this.position === null) return;
        this.seen = this.position;
        this.unread = 0;
    }

    setMembers(users, count) {
        this.members = new Set(users);
        this.memberCount = Math.max(count, users.length);
    }

    /** @param {{ key: string, text: string, at: number }} message */
    write(message, now = Date.now()) {
        const state = now - message.at > RETRY_MS_MAX ? 'failed' : 'unsent';
        this.pending.push({ ...message, state, problem: state === 'failed' ? 'too old to be sent by itself' : undefined });
    }

    /** It is on disk, as `position`. */
    settle(key, { seq, epoch }) {
        const one = this.pending.find((pending) => pending.key === key);
        if (!one) return;
        const isShown = this.position !== null && this.position.epoch === epoch && this.position.seq >= seq;
        if (isShown || one.echoed) this.forget(key);
        else Object.assign(one, { state: 'stored', seq });
    }

    fail(key, problem) {
        const one = this.pending.find((pending) => pending.key === key);
        // The event that was taken for it was that of an equal message, from another window.
        if (one) Object.assign(one, { state: 'failed', problem, echoed: false });
    }

    forget(key) {
        this.pending = this.pending.filter((pending) => pending.key !== key);
    }

    /** What of `pending` is to be shown. */
    get shownPending() {
        return this.pending.filter(({ echoed }) => !echoed);
    }

    /** The newest message, for the list of rooms. */
    get preview() {
        for (let at = this.events.length - 1; at >= 0; at -= 1) {
            if (this.events[at].body.kind === 'message') return this.events[at];
        }
        return null;
    }

    /** One's own message came back: what shows it as pending goes, even if its answer is still on the way. */
    #echo({ seq, body }) {
        const stored = this.pending.find((pending) => pending.seq === seq);
        if (stored) {
            this.forget(stored.key);
            return;
        }
        const same = this.pending.find(({ state, echoed, text }) => state === 'sent' && !echoed && text === body.text);
        if (same) same.echoed = true;
    }

    #membership(user, isMember) {
        if (this.members.has(user) === isMember) return;
        if (isMember && this.members.size < MEMBERS_MAX) this.members.add(user);
        else if (!isMember) this.members.delete(user);
        this.memberCount += isMember ? 1 : -1;
    }

    #learnTitle() {
        const [first] = this.events;
        if (first?.seq === 1 && first.body.kind === 'room_created') this.nameIt(first.body.title);
    }

    nameIt(title) {
        if (typeof title === 'string' && title.trim() !== '') this.title = title.trim();
    }

    #count() {
        const from = this.seen !== null && this.seen.epoch === this.position.epoch ? this.seen.seq : 0;
        this.unread = this.events.filter(({ seq, author, body }) => seq > from && author !== this.me && body.kind === 'message').length;
    }
}
