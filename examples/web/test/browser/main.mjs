/**
 * Plays the scenes in a real browser against a real host:
 *
 *     node main.mjs HOMEROOM_BINARY FOLDER_WITH_NODE_MODULES BROWSER [FOLDER_FOR_PICTURES]
 */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

import { play } from './scenes.mjs';
import { Cable, Host, Window } from './stage.mjs';

const [binary, modules, executablePath, pictures] = process.argv.slice(2);
const require = createRequire(join(resolve(modules), 'anything.js'));
const { chromium } = require('playwright-core');
const axe = require.resolve('axe-core/axe.min.js');
if (pictures) mkdirSync(pictures, { recursive: true });

const host = new Host(binary);
const cable = new Cable(host);
const asRoot = process.getuid?.() === 0;
// The browser must not tell anybody that it runs.
const args = ['--disable-background-networking', '--disable-component-update', '--no-first-run', ...(asRoot ? ['--no-sandbox'] : [])];
const browser = await chromium.launch({ executablePath, args });
const began = performance.now();
try {
    await host.start();
    assert.match(host.lines[0], /^ws:\/\/127\.0\.0\.1:\d+\/v1\/connect$/);
    const url = `http://127.0.0.1:${await cable.lay()}/`;
    const windows = await play({ browser, host, cable, url, picture, scene });
    assert.deepEqual(windows.flatMap(({ complaints }) => complaints), []);
    console.log(`the page passed in Chromium ${browser.version()}, ${seconds()}`);
} catch (error) {
    await lookAround();
    throw error;
} finally {
    await browser.close();
    cable.end();
    await host.end();
}

async function scene(name, act) {
    await act();
    console.log(`ok: ${name} (${seconds()})`);
}

/** What every window shows and complains of, when a scene went wrong. */
async function lookAround() {
    for (const [index, { page, complaints }] of Window.all.entries()) {
        if (page.isClosed()) continue;
        console.log(`window ${index}, "${await page.title()}":`, complaints, await page.evaluate(() => document.body.innerText));
        if (pictures) await page.screenshot({ path: join(pictures, `failed-${index}.png`) });
    }
}

function seconds() {
    return `${((performance.now() - began) / 1000).toFixed(1)} s`;
}

/** A picture, and what an accessibility checker says about what is on it. */
async function picture(window, name) {
    const { page } = window;
    if (pictures) await page.screenshot({ path: join(pictures, `${name}.png`), animations: 'disabled' });
    // Read by the debugger, not by the page: the page's policy keeps foreign scripts out.
    const source = await (await import('node:fs/promises')).readFile(axe, 'utf8');
    await page.evaluate(`{ const module = undefined; const exports = undefined; ${source} }`);
    const violations = await page.evaluate(async () => {
        const found = await window.axe.run(document, { resultTypes: ['violations'] });
        return found.violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html.slice(0, 160)).join(' | ')}`);
    });
    assert.deepEqual(violations, [], `accessibility of ${name}`);
}
