/**
 * What two people, and one with a phone, do with the page. Each scene goes on where the one before ended.
 */
import assert from 'node:assert/strict';

import { Window } from './stage.mjs';

const HOSTILE = '<img src=x onerror="alert(1)">';
const presence = (user) => `.member[data-user="${user}"]`;

/** @param {{ browser: any, host: import('./stage.mjs').Host, cable: import('./stage.mjs').Cable, url: string, picture: Function }} stage */
export async function play({ browser, host, cable, url, picture, scene }) {
    const ana = await Window.open(browser);
    const ben = await Window.open(browser, { colorScheme: 'dark' });
    const windows = [ana, ben];

    await scene('a name and a room are all it takes', async () => {
        await ana.go(url);
        await ana.shows('.door');
        await picture(ana, 'door-light');
        assert.equal(await ana.page.evaluate(() => document.activeElement.id), 'name');
        await ana.page.fill('#name', 'service:me');
        await ana.page.press('#name', 'Enter');
        await ana.until('a name that is not for people is refused', () => /cannot be used/.test(document.querySelector('.trouble')?.textContent));
        await ana.page.fill('#name', 'Ana');
        await ana.page.press('#name', 'Enter');
        await ana.shows('.empty[data-state=quiet]');
        assert.equal(await ana.page.evaluate(() => document.activeElement.id), 'message');
        assert.match(ana.page.url(), /#room=lobby$/);
        await picture(ana, 'quiet-light');
        await ben.go(`${url}#room=lobby&name=Ben`);
        await ben.until('the name is taken out of the address', () => window.location.hash === '#room=lobby');
    });

    await scene('each sees at once that the other is there, types, and speaks', async () => {
        for (const [window, other] of [[ana, 'Ben'], [ben, 'Ana']]) await window.shows(`${presence(other)}.active`);
        await ben.page.locator('#message').pressSequentially('Good m');
        await ana.shows('.typing.some');
        assert.match(await ana.page.textContent('.typing'), /Ben is typing/);
        await ben.page.fill('#message', '');
        await ana.until('the typing ends', () => !document.querySelector('.typing.some'));
        await ben.say('Good morning!');
        await ana.sees('Good morning!');
        await ana.say('Hi Ben 👋');
        await ana.page.fill('#message', 'two');
        await ana.page.press('#message', 'Shift+Enter');
        await ana.page.keyboard.type('lines');
        await ana.page.press('#message', 'Enter');
        for (const window of windows) await window.sees('two\nlines');
    });

    await scene('messages in a row form a group, and one\'s own stand on their side', async () => {
        await ana.until('a group of two', () => document.querySelectorAll('.message.mine').length === 2
            && document.querySelectorAll('.message.mine.first').length === 1);
        const sides = await ana.page.evaluate(() => [...document.querySelectorAll('.said')].map((said) => said.getBoundingClientRect().left));
        assert.ok(sides.at(-1) > sides[0]);
    });

    await scene('a reload keeps who one is, where one is, and what was said', async () => {
        await ana.page.reload();
        await ana.sees('two\nlines');
        await ana.sees('Good morning!');
    });

    await scene('the host is killed and comes back: both return by themselves, and what was said meanwhile arrives once', async () => {
        await host.kill();
        for (const window of windows) await window.shows('.strip.shown');
        await ana.say('written while the host was gone');
        await ana.shows('.message.pending');
        await picture(ana, 'lost-light');
        await host.start();
        for (const window of windows) {
            await window.sees('written while the host was gone');
            await window.until('the strip is gone', () => !document.querySelector('.strip.shown'));
        }
        await ben.say('there you are');
        await ana.sees('there you are');
    });

    await scene('a message outlives the page it was written on', async () => {
        // The last chance to send it is lost with the page, after the server may or may not have it.
        cable.cut();
        await ana.say('sent into the void');
        await ana.shows('.message.pending');
        const left = ana.page.reload().catch(() => {});
        cable.mend();
        await left;
        await ana.go(`${url}#room=lobby`);
        await ana.page.reload();
        for (const window of windows) await window.sees('sent into the void');
    });

    await scene('a dead link is noticed when the device says it is offline, and a live one is kept', async () => {
        await ana.context.setOffline(true);
        await ana.context.setOffline(false);
        await ben.say('still there?');
        await ana.sees('still there?');
        cable.cut();
        await ana.context.setOffline(true);
        await ana.shows('.strip.shown');
        await ana.say('said offline');
        await ana.shows('.message.pending');
        cable.mend();
        await ana.context.setOffline(false);
        for (const window of windows) await window.sees('said offline');
    });

    await scene('whatever people write stays text', async () => {
        const eve = await Window.open(browser);
        windows.push(eve);
        await eve.go(`${url}#${new URLSearchParams({ room: 'lobby', name: HOSTILE })}`);
        for (const text of [HOSTILE, '<script>alert(2)</script>', '"><svg onload=alert(3)>', 'javascript:alert(4)', '{{alert(5)}} ${alert(6)}', '\u202eevil\u202c']) {
            await eve.say(text);
            await ana.sees(text);
        }
        await eve.page.fill('#new-room', `${HOSTILE} room`);
        await eve.page.press('#new-room', 'Enter');
        await eve.until('the title is shown as it is', (title) => document.querySelector('.bar h1').textContent === title, `${HOSTILE} room`);
        const room = new URLSearchParams(new URL(eve.page.url()).hash.slice(1)).get('room');
        await ana.go(`${url}#${new URLSearchParams({ room })}`);
        await ana.until('the title comes from the server', (title) => document.querySelector('.bar h1').textContent === title, `${HOSTILE} room`);
        await ana.page.fill('#new-room', 'Lobby');
        await ana.page.press('#new-room', 'Enter');
        await ana.sees('<script>alert(2)</script>');
        for (const window of windows) {
            const foreign = await window.page.evaluate(() => document.querySelectorAll('script:not([src]), img:not([src="/icon.svg"]), [onerror], [onload], iframe').length);
            assert.equal(foreign, 0);
        }
        await eve.say('see https://example.org/a?b=1, and http://example.net.');
        await eve.page.locator('.room[data-room="lobby"]').click();
        await eve.say('see https://example.org/a?b=1, and http://example.net.');
        await ana.sees('see https://example.org/a?b=1, and http://example.net.');
        const links = await ana.page.evaluate(() => [...document.querySelectorAll('.bubble a')].map(({ href, rel, target }) => [href, rel, target]));
        assert.deepEqual(links.map(([href]) => href), ['https://example.org/a?b=1', 'http://example.net/']);
        assert.ok(links.every(([, rel, target]) => rel.includes('noopener') && target === '_blank'));
    });

    await scene('who closes the window is gone after a while, and who comes back is there', async () => {
        const eve = windows.pop();
        await ana.shows('.member.active >> text=<img');
        assert.deepEqual(eve.complaints, []);
        await eve.context.close();
        await ana.until('eve is gone', (user) => [...document.querySelectorAll('.member.offline')].some(({ dataset }) => dataset.user === user), HOSTILE);
    });

    await scene('a room in the background shows a dot and a number, and the title tells', async () => {
        await ben.page.fill('#new-room', 'Class 7b');
        await ben.page.press('#new-room', 'Enter');
        await ben.shows('.room.current[data-room="class-7b"]');
        await ana.say('psst, Ben');
        await ben.shows('.room.unread[data-room="lobby"] .badge');
        await ben.until('the title has a number', () => document.title === '(1) Class 7b · Homeroom');
        await ben.page.locator('.room[data-room="lobby"]').click();
        await ben.sees('psst, Ben');
        await ben.shows('.fresh');
        await ben.until('nothing is unread', () => document.title === 'Lobby · Homeroom' && !document.querySelector('.badge'));
    });

    await scene('people talk', async () => {
        const dora = await Window.open(browser);
        await dora.go(`${url}#room=class-7b&name=Dora`);
        await ana.go(`${url}#room=class-7b`);
        await ben.page.locator('.room[data-room="class-7b"]').click();
        for (const [window, text] of [
            [ben, 'Morning, everyone! The museum trip is on Thursday.'],
            [ben, 'We meet at 8:15 in front of the school, the bus leaves at half past.'],
            [dora, 'Do we need money for lunch?'],
            [ben, 'No, it is paid for. Bring something to write with, and a raincoat:\nthe second half is in the garden.'],
            [ana, 'Great! I can bring the camera 📷'],
            [ana, 'Here is the map: https://museum.example/map?floor=2'],
            [dora, '🎉'],
        ]) {
            await window.say(text);
            await ana.sees(text);
        }
        await dora.page.locator('#message').pressSequentially('And');
        for (const window of [ana, ben]) {
            await window.shows('.typing.some');
            await window.until('the others are known', () => document.querySelectorAll('.member.active').length === 3);
        }
        await picture(ana, 'talk-light');
        await picture(ben, 'talk-dark');
        assert.deepEqual(dora.complaints, []);
        await dora.context.close();
        for (const window of windows) await window.page.locator('.room[data-room="lobby"]').click();
    });

    await scene('one scrolls up to the beginning, and stays where one reads', async () => {
        for (let n = 1; n <= 75; n += 1) await ben.say(`line ${n}`);
        await ana.sees('line 75');
        await ana.page.reload();
        await ana.sees('line 75');
        await ana.until('it stands at the end', () => {
            const log = document.querySelector('.timeline');
            return log.scrollHeight - log.scrollTop - log.clientHeight < 60;
        });
        assert.ok(await ana.page.evaluate(() => document.querySelectorAll('.bubble').length) < 75);
        await ana.page.waitForFunction(() => {
            const log = document.querySelector('.timeline');
            if (document.querySelector('.start')) return true;
            log.scrollTop = 0;
            return false;
        }, null, { polling: 100 });
        await ana.sees('Good morning!');
        await ana.sees('line 1');
        await ana.shows('.jump');
        const standing = () => ana.page.evaluate(() => {
            const log = document.querySelector('.timeline');
            const row = [...log.querySelectorAll('.message')].find((one) => one.getBoundingClientRect().top > log.getBoundingClientRect().top);
            return [row.textContent, Math.round(row.getBoundingClientRect().top)];
        });
        const before = await standing();
        await ben.say('something new below');
        await ana.shows('.jump.unread');
        assert.deepEqual(await standing(), before);
        await ana.page.click('.jump');
        await ana.sees('something new below');
        await ana.until('nothing is unread here', () => !document.querySelector('.room.current .badge') && document.querySelector('.jump').hidden);
    });

    await scene('the page works by keyboard and for a screen reader', async () => {
        await ana.until('the news are announced', () => /line 75|something new/.test(document.querySelector('[aria-live=polite]').textContent));
        const unnamed = await ana.page.evaluate(() => [...document.querySelectorAll('button, input, textarea')]
            .filter((one) => !(one.getAttribute('aria-label') || one.textContent.trim() || one.labels?.length)).length);
        assert.equal(unnamed, 0);
    });

    await scene('on a phone the talk has the screen, and the sides slide over it', async () => {
        const cleo = await Window.open(browser, { viewport: { width: 360, height: 640 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true });
        windows.push(cleo);
        await cleo.go(`${url}#room=lobby&name=Cleo`);
        await cleo.sees('line 75');
        await cleo.say('on the bus https://example.org/a/very/long/address/that/does/not/fit/on/one/line/of/a/phone?and=more');
        await ben.say('Bring the blue folder, please. We need it for the second lesson.');
        await cleo.sees('Bring the blue folder, please. We need it for the second lesson.');
        await picture(cleo, 'talk-phone');
        const fits = () => cleo.page.evaluate(() => {
            const { bottom, top } = document.querySelector('#message').getBoundingClientRect();
            return { wide: document.documentElement.scrollWidth <= window.innerWidth, inside: top > 0 && bottom <= window.innerHeight };
        });
        assert.deepEqual(await fits(), { wide: true, inside: true });
        assert.equal(await cleo.page.locator('.sidebar').isVisible(), false);
        await cleo.page.tap('.menu');
        await cleo.shows('.sidebar.over');
        await cleo.until('it has slid in', () => document.querySelector('.sidebar').getBoundingClientRect().left === 0);
        await picture(cleo, 'drawer-phone');
        await cleo.page.keyboard.press('Escape');
        await cleo.shows('.sidebar', 'hidden');
        assert.equal(await cleo.page.evaluate(() => document.activeElement.getAttribute('aria-label')), 'Rooms');
        await cleo.page.tap('button[aria-label=People]');
        await cleo.shows('.members.over');
        await cleo.page.touchscreen.tap(10, 300);
        await cleo.shows('.members', 'hidden');
        // As with a keyboard on the screen: what is left must still hold the message box.
        await cleo.page.setViewportSize({ width: 360, height: 340 });
        await cleo.until('the end stays in sight', () => {
            const log = document.querySelector('.timeline');
            return log.scrollHeight - log.scrollTop - log.clientHeight < 60;
        });
        assert.deepEqual(await fits(), { wide: true, inside: true });
    });

    await scene('leaving shows at once, and a room can be left and entered again', async () => {
        await ben.page.locator('.room[data-room="class-7b"]').click();
        await ben.page.click('.leave');
        await ben.shows('.nowhere');
        await picture(ben, 'nowhere-dark');
        await ben.page.click('button[aria-label="Change your name"]');
        await ben.shows('.door');
        await picture(ben, 'door-dark');
        await ana.shows(`${presence('Ben')}.offline`);
    });

    return windows;
}
