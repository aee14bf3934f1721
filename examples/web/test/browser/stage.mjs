/**
 * What the scenes play on: a real host, a cable to it that can be cut, and windows of a real browser.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** How long anything may take. The machine may be slow; a condition that holds is not waited for. */
export const PATIENCE_MS = 30_000;

/** The `homeroom` binary on a fresh folder. */
export class Host {
    #binary;
    #folder = mkdtempSync(join(tmpdir(), 'homeroom-page-'));
    #process = null;
    port = 0;
    lines = [];

    constructor(binary) {
        this.#binary = binary;
    }

    /** Starts on the port it had before, or a free one, and waits for its addresses. */
    async start() {
        const started = spawn(this.#binary, ['serve', '--listen', `127.0.0.1:${this.port}`, '--data', this.#folder], {
            stdio: ['ignore', 'pipe', 'inherit'],
        });
        this.#process = started;
        this.lines = [];
        for await (const line of createInterface(started.stdout)) {
            this.lines.push(line);
            if (this.lines.length === 2) break;
        }
        if (this.lines.length < 2) throw new Error('the host did not start');
        this.port = Number(new URL(this.lines[1]).port);
    }

    /** Gives it no chance to do anything. */
    async kill() {
        if (this.#process === null) return;
        const gone = new Promise((resolve) => this.#process.once('exit', resolve));
        this.#process.kill('SIGKILL');
        await gone;
        this.#process = null;
    }

    async end() {
        await this.kill();
        rmSync(this.#folder, { recursive: true, force: true });
    }
}

/** A cable to the host. Once it is cut, bytes go nowhere and nobody is told, as with a lost radio. */
export class Cable {
    #host;
    #server;
    #cut = false;
    /** @type {Set<import('node:net').Socket>} */
    #sockets = new Set();

    constructor(host) {
        this.#host = host;
    }

    async lay() {
        this.#server = createServer((near) => this.#join(near));
        await new Promise((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
        return this.#server.address().port;
    }

    #join(near) {
        const far = connect(this.#host.port, '127.0.0.1');
        for (const [one, other] of [[near, far], [far, near]]) {
            this.#sockets.add(one);
            one.on('data', (bytes) => { if (!this.#cut) other.write(bytes); });
            one.on('error', () => other.destroy());
            one.on('close', () => { this.#sockets.delete(one); if (!this.#cut) other.destroy(); });
        }
    }

    cut() {
        this.#cut = true;
    }

    mend() {
        this.#cut = false;
        for (const socket of this.#sockets) socket.destroy();
    }

    end() {
        for (const socket of this.#sockets) socket.destroy();
        this.#server?.close();
    }
}

/** Somebody's browser window, which notes everything that should not be. */
export class Window {
    /** Every window that was opened, to look into when something went wrong. @type {Window[]} */
    static all = [];
    complaints = [];

    constructor(context, page) {
        this.context = context;
        this.page = page;
        Window.all.push(this);
        page.setDefaultTimeout(PATIENCE_MS);
        page.on('pageerror', (error) => this.complaints.push(`error: ${error.stack}`));
        page.on('console', (message) => {
            if (!['error', 'warning'].includes(message.type())) return;
            // The browser itself reports a server that is not there.
            if (/WebSocket connection to .* failed|net::ERR_/.test(message.text())) return;
            this.complaints.push(`console: ${message.text()}`);
        });
        page.on('dialog', (dialog) => {
            this.complaints.push(`dialog: ${dialog.message()}`);
            dialog.dismiss();
        });
    }

    static async open(browser, options = {}) {
        const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: 'en-GB', ...options });
        await context.addInitScript(() => {
            document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI, sample }) => {
                console.error(`policy: ${violatedDirective} ${blockedURI} ${sample}`);
            });
        });
        return new Window(context, await context.newPage());
    }

    async go(url) {
        await this.page.goto(url);
        return this;
    }

    async say(text) {
        await this.page.fill('#message', text);
        await this.page.press('#message', 'Enter');
    }

    /** Waits until the message is there, `times` times, and none of them is pending. */
    async sees(text, times = 1) {
        await this.until(`sees "${text}" ${times} times`, ([wanted, count]) => {
            const found = [...document.querySelectorAll('.bubble')].filter((bubble) => bubble.textContent === wanted);
            return found.length === count && found.every((bubble) => !bubble.closest('.pending'));
        }, [text, times]);
    }

    /** Waits until the condition holds in the page. */
    async until(what, condition, argument) {
        try {
            await this.page.waitForFunction(condition, argument, { timeout: PATIENCE_MS });
        } catch (error) {
            throw new Error(`never: ${what}`, { cause: error });
        }
    }

    async shows(selector, state = 'visible') {
        await this.page.locator(selector).first().waitFor({ state });
    }
}
