import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { Webhook } from 'standardwebhooks';
import { inaccessible, launchBrowser, openPage, type WatchedPage } from '../support/browser.js';
import { ADMIN, api, expectStatus, loginAdmin, registerUser, waitForTask } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { type ServerProcess, startServer } from '../support/server.js';
import { publish, submit } from './agents.js';
import { caller, callOf } from './host-call-agents.js';

const WORD_COUNT = fileURLToPath(new URL('../../../examples/agents/word-count/word-count.wasm', import.meta.url));
const NEWCOMER = { email: 'newcomer@example.test', password: 'a password for tests' };
/** Pages of an admin, each with what shows that it is loaded. */
const PAGES = {
  '/market': 'tbody tr',
  '/market/word-count': '.find2',
  '/new?capabilities=summarise': '[data-agent]',
  '/tasks': '[data-task]',
  '/agents': 'tbody tr',
  '/agents/upload': 'form',
  '/wallet': 'tbody tr',
  '/account': 'form',
  '/account/webhooks': '.empty',
  '/admin': '.sheet svg',
  '/admin/queue': 'form',
  '/admin/users': 'tbody tr',
  '/admin/agents': 'tbody tr',
  '/admin/money': 'form',
  '/admin/audit': 'tbody tr',
  '/admin/health': 'tbody tr',
};

/** One server, and browsers as people use it. */
describe('the console', () => {
  let database: TestDatabase;
  let folder: string;
  let server: ServerProcess;
  let browser: Browser;
  let watched: WatchedPage | undefined;
  /** Of webhooks: it answers with `answer`. */
  let receiver: Server;
  let answer = 204;
  const received: { headers: IncomingHttpHeaders; text: string }[] = [];

  beforeAll(async () => {
    receiver = createServer(async (request, response) => {
      let text = '';
      for await (const chunk of request) text += String(chunk);
      received.push({ headers: request.headers, text });
      response.writeHead(answer).end();
    }).listen(0, '127.0.0.1');
    await once(receiver, 'listening');
    folder = await mkdtemp(join(tmpdir(), 'zerostate-console-'));
    database = await createTestDatabase();
    [server, browser] = await Promise.all([start(), launchBrowser()]);
  });

  /** On the same port each time, so that an open page finds it again. */
  const start = (port = '0'): Promise<ServerProcess> =>
    startServer({
      env: {
        DATABASE_URL: database.url,
        DATA_DIR: folder,
        PORT: port,
        EXAMPLE_AGENTS: 'compiled',
        EGRESS_PRIVATE_HOSTS: `hooks.example.com:80=127.0.0.1:${(receiver.address() as AddressInfo).port}`,
        JWT_SECRET: 'a secret of the tests, long enough',
      },
    });

  const open = async (path: string, options?: BrowserContextOptions): Promise<Page> => {
    watched = await openPage(browser, server.url, options);
    await watched.page.goto(server.url + path);
    return watched.page;
  };

  const signIn = async (page: Page, { email, password }: { email: string; password: string }): Promise<void> => {
    await page.getByLabel('Email').fill(email);
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.locator('header.top').waitFor();
  };

  const expectNoFaults = (): void => expect(watched?.faults).toEqual([]);

  afterEach(async () => {
    await watched?.page.context().close();
    watched = undefined;
  });

  afterAll(async () => {
    await browser?.close();
    await server?.stop();
    receiver?.closeAllConnections();
    receiver?.close();
    await database?.drop();
    await rm(folder, { recursive: true, force: true });
  });

  it('leads a newcomer from an account over a simulated auction to a task that runs and is rated', async () => {
    const page = await open('/');
    await page.getByRole('button', { name: 'Open an account' }).click();
    await page.getByLabel('Email').fill(NEWCOMER.email);
    await page.getByLabel('Password').fill(NEWCOMER.password);
    await page.getByRole('button', { name: 'Open the account' }).click();
    await page.getByRole('heading', { name: 'Submit your first task' }).waitFor();
    await page.getByText('Text Summary Lite would win at 0.10.').waitFor();
    expect(await inaccessible(page)).toEqual([]);

    await page.getByRole('link', { name: 'New task' }).click();
    await page.getByLabel('Capabilities').fill('summarise,');
    await page.getByLabel('Text', { exact: true }).fill('The sea rises. The gauge is read. The sea rises again.');
    await page.getByText('Text Summary Lite would win at 0.10').waitFor();
    // All weight on speed and reputation: no price decides any more, and the head says so.
    const price = page.getByRole('slider', { name: /Weight of price/ });
    for (let step = 0; step < 3; step++) await price.press('Shift+ArrowLeft');
    expect(await price.getAttribute('aria-valuenow')).toBe('0');
    await page.getByText(/Level with/).waitFor();
    await page.getByRole('button', { name: 'Reset weights' }).click();
    await page.getByLabel('Budget in credits').fill('0.05');
    await page.getByLabel('Budget in credits').press('Enter');
    await page.getByText('No agent would win').waitFor();
    await page.getByRole('button', { name: 'Raise the budget to 0.10' }).click();
    await page.getByText('Text Summary Lite would win at 0.10').waitFor();

    await page.getByRole('button', { name: /Submit for at most 0.10/ }).click();
    await page.waitForURL('**/tasks/*');
    await page.locator('.st.pill.completed').waitFor();
    await page.getByText('Text Summary Lite did it for 0.10.').waitFor();
    await page.locator('.wf').getByText('Attempt 1').waitFor();
    await page.getByText('Taking the lead out of').waitFor();
    await page.getByRole('button', { name: 'Score again' }).click();
    await page.getByText('Scored again: every figure matches').waitFor();
    await page.getByRole('button', { name: '4 of 5: good' }).click();
    await page.getByText('You rated it 4 of 5: good.').waitFor();
    expect(await inaccessible(page)).toEqual([]);

    // The cookie continues the login: the reload lands on the same task.
    await page.reload();
    await page.getByText('You rated it 4 of 5: good.').waitFor();
    expect(await page.evaluate<string>('JSON.stringify([document.cookie, localStorage])')).not.toMatch(/zsr_|eyJ/);
    await page.getByRole('button', { name: /account of/ }).click();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    expectNoFaults();
  });

  it('lets an owner upload, be refused with advice, roll back and retire', async () => {
    const page = await open('/agents/upload');
    await signIn(page, NEWCOMER);
    const bad = join(folder, 'bad.wasm');
    await writeFile(bad, 'this is no module');
    await page.getByLabel('Slug').fill('my-counter');
    await page.getByLabel('Name', { exact: true }).fill('My <b>Counter</b>');
    await page.getByLabel('Capabilities').fill('counting');
    await page.getByLabel('Price').fill('0.20');
    await page.locator('input[type=file]').setInputFiles(bad);
    await page.getByRole('button', { name: 'Upload the agent' }).click();
    const refusal = page.getByRole('alert');
    await refusal.waitFor();
    expect(await refusal.textContent()).toMatch(/422/);
    // Browsers write each refused request into their console.
    expect(watched?.faults.splice(0)).toEqual([expect.stringContaining('422')]);

    await page.locator('input[type=file]').setInputFiles(WORD_COUNT);
    await page.getByRole('button', { name: 'Upload the agent' }).click();
    await page.getByText(/Version \d+\.\d+\.\d+ is stored/).waitFor();
    await page.getByRole('link', { name: 'To the agent' }).click();
    // What an owner wrote is text, whatever it looks like.
    await page.getByRole('heading', { name: 'My <b>Counter</b>' }).waitFor();

    await page.getByRole('link', { name: 'Upload a version' }).click();
    await page.getByLabel('Version').fill('9.0.0');
    await page.locator('input[type=file]').setInputFiles(WORD_COUNT);
    await page.getByRole('button', { name: 'Upload the version' }).click();
    await page.getByText('Version 9.0.0 is stored.').waitFor();
    await page.getByRole('link', { name: 'To the agent' }).click();
    await page.getByRole('button', { name: 'Roll back to this' }).click();
    const newest = page.getByRole('row', { name: /9\.0\.0/ });
    await newest.getByText('Inactive').waitFor();
    await newest.getByRole('button', { name: 'Retire' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Retire 9.0.0' }).click();
    await newest.getByText('Retired').waitFor();
    expect(await inaccessible(page)).toEqual([]);
    expectNoFaults();
  });

  it('shows an admin the market, and acts on queue, users and log', async () => {
    const page = await open('/admin');
    await signIn(page, ADMIN);
    await page.getByRole('button', { name: 'Pause the queue' }).click();
    await page.getByText('the queue is paused').waitFor();
    await page.getByRole('button', { name: 'Resume the queue' }).click();
    await page.getByText('Nothing needs a look.').waitFor();

    await page.getByRole('link', { name: 'Users' }).click();
    const row = page.getByRole('row', { name: new RegExp(NEWCOMER.email) });
    await row.getByRole('button', { name: 'Suspend' }).click();
    await page.getByRole('dialog').getByLabel('Reason').fill('for a test');
    await page
      .getByRole('dialog')
      .getByRole('button', { name: /^Suspend/ })
      .click();
    await row.getByText(/Suspended/).waitFor();
    await row.getByRole('button', { name: 'Unsuspend' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'End the suspension' }).click();
    await row.getByText('Good').waitFor();

    await page.getByRole('link', { name: 'Health' }).click();
    await page.getByRole('button', { name: 'debug' }).click();
    await page.getByText('The log level is debug.').waitFor();
    await page.getByLabel('Message').fill('Lunch <i>now</i>');
    await page.getByRole('button', { name: 'Announce it' }).click();
    await page.getByText('Announcement: Lunch <i>now</i>').waitFor();
    await page.getByRole('link', { name: 'Audit trail' }).click();
    await page.getByRole('cell', { name: 'account.suspended' }).waitFor();
    expectNoFaults();
  });

  it('shows both sides of a dispute and of a payout, and an admin decides them', async () => {
    const token = await loginAdmin(server.url);
    const task = { required_capabilities: ['counting'], budget: 1, input: { text: 'to be' } };
    const { id } = expectStatus(await api(server.url).post('/tasks', task, { token }), 202).body;
    await waitForTask(server.url, token, id, 'completed');

    const buyer = await open(`/tasks/${id}`);
    await signIn(buyer, ADMIN);
    await buyer.getByText('My <b>Counter</b> is paid 0.20').waitFor();
    await buyer.getByRole('button', { name: 'Dispute the task' }).click();
    await buyer.getByLabel('What is wrong').fill('It counted <i>another</i> text.');
    await buyer.getByRole('button', { name: 'Open the dispute' }).click();
    await buyer.getByText('Waits for an admin').waitFor();
    expectNoFaults();
    await buyer.context().close();

    const owner = await open('/wallet');
    await signIn(owner, NEWCOMER);
    await owner.getByText('Submitter: “It counted <i>another</i> text.”').waitFor();
    await owner.getByRole('button', { name: 'Answer' }).click();
    await owner.getByLabel('Your answer').fill('It was this one.');
    await owner.getByRole('button', { name: 'Send the answer' }).click();
    await owner.getByText('Agent’s owner: “It was this one.”').waitFor();
    await owner.getByLabel('Kind of transfer').selectOption('post');
    await owner.getByRole('cell', { name: 'Earned by an agent' }).waitFor();
    const download = owner.waitForEvent('download');
    await owner.getByRole('button', { name: 'Download all lines as CSV' }).click();
    const file = await (await download).path();
    expect(await readFile(file, 'utf8')).toMatch(/My <b>Counter<\/b>/);
    await owner.getByRole('button', { name: 'Request a payout' }).click();
    await owner.getByLabel('Amount').fill('7');
    await owner.getByRole('button', { name: 'Request it' }).click();
    await owner.getByRole('cell', { name: 'Waits for an admin' }).waitFor();
    await owner.getByRole('button', { name: 'Change', exact: true }).click();
    await owner.getByLabel('For each day').fill('12.5');
    await owner.getByRole('button', { name: 'Set the limits' }).click();
    await owner.getByText('12.50', { exact: true }).waitFor();
    expect(await inaccessible(owner)).toEqual([]);
    await owner.goto(`${server.url}/account`);
    await owner.getByRole('button', { name: 'New key' }).click();
    await owner.getByLabel('Name').fill('robot');
    await owner.getByRole('button', { name: 'Make the key' }).click();
    await owner.getByRole('button', { name: 'Limit', exact: true }).click();
    await owner.getByLabel('For each task').fill('2');
    await owner.getByRole('button', { name: 'Set the limits' }).click();
    await owner.getByRole('cell', { name: '2.00 a task' }).waitFor();
    expect(await inaccessible(owner)).toEqual([]);
    expectNoFaults();
    await owner.context().close();

    const admin = await open('/admin/money');
    await signIn(admin, ADMIN);
    const payout = admin.getByRole('article', { name: 'Payout of 7.00 credits' });
    await payout.getByLabel(/Reference of the payment/).fill('transfer 17');
    await payout.getByRole('button', { name: 'Confirm the payment' }).click();
    await payout.waitFor({ state: 'detached' });
    await admin.getByLabel('Why you decide so').fill('The count is wrong.');
    await admin.getByRole('button', { name: 'Return the credits' }).click();
    await admin.getByText('No dispute is open').waitFor();
    expectNoFaults();
    await admin.goto(`${server.url}/wallet`);
    await admin.getByRole('cell', { name: 'Returned by a dispute', exact: true }).waitFor();
    await admin.getByText('Admin: “The count is wrong.”').waitFor();
    expectNoFaults();
  });

  it('makes a webhook, follows its deliveries, rotates its secret, sees it disabled, and deletes it', async () => {
    const user = await registerUser(server.url);
    const id = await submit(server.url, user.token, 'word-count', { budget: 1, input: { text: 'to be' } });
    await waitForTask(server.url, user.token, id, 'completed');
    const page = await open('/account');
    await signIn(page, user);
    const press = (name: string): Promise<void> => page.getByRole('button', { name, exact: true }).click();
    const ping = (state: string) => page.getByRole('button', { name: new RegExp(`${state}.*webhook\\.ping`) }).first();
    await page.getByRole('link', { name: 'To your webhooks' }).click();
    await press('Make the first webhook');
    await page.getByLabel('URL').fill('https://127.0.0.1/');
    await page.getByLabel('Description').fill('Wakes <b>me</b>');
    await press('Only some types');
    await page.getByLabel('task.completed').check();
    await press('Make the webhook');
    await page.getByRole('alert').getByText('url', { exact: true }).waitFor();
    expect(watched?.faults.splice(0)).toEqual([expect.stringContaining('400')]);
    await page.getByLabel('URL').fill('http://hooks.example.com/console');
    await press('Make the webhook');
    const secret = (await page.locator('.shown-once code').textContent())!;
    expect(await inaccessible(page)).toEqual([]);

    await page.getByRole('link', { name: 'send a test message' }).click();
    await page.getByText('Wakes <b>me</b>').waitFor();
    await press('Send a ping');
    await ping('Delivered').waitFor();
    await page.getByRole('cell', { name: '204' }).waitFor();
    const [{ headers, text }] = received;
    expect(new Webhook(secret).verify(text, headers as Record<string, string>)).toMatchObject({ type: 'webhook.ping' });

    answer = 503;
    await press('Send a ping');
    await page.getByRole('cell', { name: '503' }).waitFor();
    await page.getByText('Next try').waitFor();
    await press('Failed');
    await page.getByText('No delivery is failed').waitFor();
    await press('Waiting');
    await ping('Waiting').click();
    // The address keeps the filter and the open delivery.
    await page.reload();
    await ping('Waiting').waitFor();
    answer = 204;
    await press('Try now');
    await ping('Delivered').waitFor();
    await press('All');
    await page.getByLabel('After event').fill('0');
    await press('Replay these events');
    await page.getByText(/\d events? will be sent again/).waitFor();
    await page
      .getByRole('button', { name: /Delivered.*task\.completed/ })
      .first()
      .waitFor();

    await press('Rotate');
    await press('Make a new secret');
    await page.getByText(/each request has two signatures/).waitFor();
    expect(await page.locator('.shown-once code').textContent()).not.toBe(secret);
    await press('Pause');
    await page.getByText('It is paused').waitFor();
    await press('Activate');
    answer = 410;
    await press('Send a ping');
    await page.getByText('Its receiver answered 410').waitFor();
    expect(await inaccessible(page)).toEqual([]);
    await page.setViewportSize({ width: 360, height: 740 });
    await page.emulateMedia({ colorScheme: 'dark' });
    expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBe(0);
    expect(await inaccessible(page)).toEqual([]);

    await press('Delete');
    await page.getByRole('dialog').getByRole('button', { name: 'Delete the webhook' }).click();
    await page.getByText('No webhooks').waitFor();
    expectNoFaults();
  });

  it('resumes after the server restarts, with every task once', async () => {
    const token = await loginAdmin(server.url);
    const submit = async (description: string): Promise<void> => {
      const task = { required_capabilities: ['word-count'], budget: 1, input: { text: 'to be' }, description };
      expectStatus(await api(server.url).post('/tasks', task, { token }), 202);
    };
    const page = await open('/tasks');
    await signIn(page, ADMIN);
    await page.locator('[data-task]').first().waitFor();
    await submit('before the restart');
    const done = (title: string) => page.getByRole('row', { name: new RegExp(`Completed.*${title}`) });
    await done('before the restart').waitFor();
    expectNoFaults();

    const { port } = new URL(server.url);
    await server.stop();
    await page.getByText(/Not connected since/).waitFor();
    server = await start(port);
    await submit('after the restart');
    await page.getByText('Live', { exact: true }).waitFor();
    await done('after the restart').waitFor();
    expect(await page.locator('[data-task]').count()).toBe(3);
    await page.getByText(/Not connected since/).waitFor({ state: 'detached' });
    // Connections refused during the restart are the only faults.
    expect(watched?.faults.filter((fault) => !/ERR_CONNECTION|WebSocket/.test(fault))).toEqual([]);
  });

  it.each([
    // Only colours differ between the two: the first looks at contrast alone.
    ['in light colours at 1440 px', { colorScheme: 'light' }, 'color-contrast'],
    ['in dark colours at 360 px', { colorScheme: 'dark', viewport: { width: 360, height: 740 } }, undefined],
  ] as const)('shows every page %s, without faults that axe finds serious', async (_, options, rule) => {
    const page = await open('/', options);
    await signIn(page, ADMIN);
    const found: string[] = [];
    for (const [path, loaded] of Object.entries(PAGES)) {
      await page.goto(server.url + path);
      await page.locator(loaded).first().waitFor();
      const width = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
      if (width > 0) found.push(`${path} is ${width} px too wide`);
      found.push(...(await inaccessible(page, rule)).map((fault) => `${path} ${fault}`));
    }
    expect(found).toEqual([]);
    expectNoFaults();
  });

  it('finds agents, tasks and pages by the palette, from the keyboard alone', async () => {
    const page = await open('/market');
    await signIn(page, ADMIN);
    await page.getByRole('heading', { name: 'Market' }).waitFor();
    await page.keyboard.press('Control+k');
    await page.keyboard.type('keyword s');
    await page.getByRole('option', { name: /Keyword Summary/ }).waitFor();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Keyword Summary' }).waitFor();
    await page.keyboard.press('n');
    await page.getByRole('heading', { name: 'New task' }).waitFor();
    expectNoFaults();
  });

  it('shows what an agent asks, and sends the answer', async () => {
    const admin = await loginAdmin(server.url);
    await publish(server.url, admin, 'asker', await caller(), {
      capabilities: ['asking'],
      permissions: '{"ask":true}',
    });
    const { access_token: token } = expectStatus(await api(server.url).post('/auth/login', NEWCOMER), 200).body;
    const input = callOf('input.ask', { question: 'Which one?', schema: { enum: ['first', 'second'] } });
    const id = await submit(server.url, token, 'asking', { input, budget: 1, allow: { ask: true } });
    await waitForTask(server.url, token, id, 'input_required');
    const page = await open(`/tasks/${id}`);
    await signIn(page, NEWCOMER);
    await page.getByText('Which one?').waitFor();
    expect(await inaccessible(page)).toEqual([]);
    await page.getByRole('button', { name: 'second' }).click();
    await page.locator('.st.pill.completed').waitFor();
    expect((await waitForTask(server.url, token, id, 'completed')).result).toEqual({ answer: 'second' });
    expectNoFaults();
  });

  it('is served with hashed files that browsers keep, and never in place of the API', async () => {
    const html = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };
    const page = await fetch(`${server.url}/tasks/no-such-task`, { headers: html });
    expect([page.status, page.headers.get('content-type'), page.headers.get('cache-control')]).toEqual([
      200,
      'text/html; charset=utf-8',
      'no-cache',
    ]);
    const policy = page.headers.get('content-security-policy')!;
    expect(policy).toContain("script-src 'self';");
    expect(policy).not.toContain('unsafe');
    const [, script] = /src="(\/assets\/[^"]+\.js)"/.exec(await page.text())!;
    const asset = await fetch(server.url + script, { headers: { 'accept-encoding': 'br' } });
    expect([asset.headers.get('cache-control'), asset.headers.get('content-encoding')]).toEqual([
      'public, max-age=31536000, immutable',
      'br',
    ]);
    const api404 = [
      '/api/v1/nothing',
      '/mcp/x',
      '/a2a/x',
      '/.well-known/agent-card.json',
      '/assets/none.js',
      '/favicon.ico',
    ];
    for (const path of api404) {
      const answer = await fetch(server.url + path, { headers: html });
      expect([path, answer.status, answer.headers.get('content-type')]).toEqual([
        path,
        404,
        'application/problem+json; charset=utf-8',
      ]);
    }
    expect((await fetch(`${server.url}/docs/`, { headers: html })).headers.get('content-security-policy')).not.toBe(
      policy,
    );
    expect(await (await fetch(server.url)).json()).toMatchObject({ name: 'ZeroState' });
  });
});
