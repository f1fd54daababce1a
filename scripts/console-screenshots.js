/**
 * Makes the pictures of `docs/console.md` anew, from a running server with the example agents:
 *
 *   node scripts/console-screenshots.js http://localhost:8080 admin@zerostate.local PASSWORD
 *
 * It submits a few tasks as that account, and makes a webhook to a receiver of its own: start the server with
 * EGRESS_PRIVATE_HOSTS=hooks.acme.dev:80=127.0.0.1:8099. Needs Debian's `chromium`.
 */
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { fail, ROOT } from './preflight.js';

const FOLDER = join(ROOT, 'docs/images/console');
const TEXT =
  'At 09:12 UTC the primary region lost its link to the object store. Uploads queued for eleven minutes; none were lost. ' +
  'The failover to the second region was started by hand at 09:19, because the automatic check looked only at latency.';

/** [title, capabilities, budget, input] */
const TASKS = [
  ['Incident review, 14 Nov', ['summarise', 'text-analysis'], 0.6, { text: TEXT, sentences: 2 }],
  ['Words of the incident review', ['word-count'], 0.1, { text: TEXT }],
  ['Columns of sensors.csv', ['csv-stats'], 0.3, { csv: 'time,level\n1,2.4\n2,2.6\n3,2.9' }],
  ['Pick and rename, webhook payloads', ['json-transform'], 0.25, { records: [] }],
  ['Columns of orders.csv', ['csv-stats'], 0.01, { csv: 'a,b\n1,2' }],
  ['Summary for the board', ['summarise'], 1, { text: TEXT }],
];

/** name, path, what shows that it is loaded, options of the browser's profile */
const PICTURES = [
  ['new-task', '/new?capabilities=summarise,text-analysis', '[data-agent]', { width: 1280, height: 800 }],
  ['task', 'task', '.st.pill.completed', { width: 1280, height: 900 }],
  ['task-small', 'task', '.st.pill.completed', { width: 360, height: 740 }],
  ['market', '/market', 'tbody tr', { width: 1280, height: 620 }],
  ['tasks', '/tasks', '[data-task]', { width: 1280, height: 620 }],
  ['webhook', 'webhook', '.delivery-more .tbl', { width: 1280, height: 800 }],
  ['admin', '/admin', '.sheet svg', { width: 1280, height: 800, dark: true }],
];

/** Requests of the webhook. */
let answered = 0;

try {
  const [url, email, password] = process.argv.slice(2);
  if (!password) throw new Error('Usage: node scripts/console-screenshots.js URL EMAIL PASSWORD');
  mkdirSync(FOLDER, { recursive: true });
  const receiver = createServer((request, response) => {
    request.resume();
    request.on('end', () => response.writeHead(++answered % 9 === 0 ? 503 : 204).end());
  }).listen(8099, '127.0.0.1');
  const hook = await makeWebhook(url, email, password);
  const first = await submitTasks(url, email, password);
  const paths = { task: `/tasks/${first}`, webhook: `/account/webhooks/${hook}` };
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu'],
  });
  for (const [name, path, loaded, { width, height, dark }] of PICTURES) {
    const colorScheme = dark ? 'dark' : 'light';
    const context = await browser.newContext({ viewport: { width, height }, colorScheme, reducedMotion: 'reduce' });
    const page = await context.newPage();
    await page.goto(url);
    await page.getByLabel('Email').fill(email);
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.locator('header.top').waitFor();
    await page.goto(url + (paths[path] ?? path));
    if (name === 'webhook') await page.locator('.delivery').first().click();
    await page.locator(loaded).first().waitFor();
    if (name === 'new-task') await page.getByLabel('Text', { exact: true }).fill(TEXT);
    if (name === 'admin') await submitTasks(url, email, password);
    await page.waitForTimeout(name === 'admin' ? 4000 : 1000);
    await page.screenshot({ path: join(FOLDER, `${name}.png`) });
    console.log(`${name}.png`);
    await context.close();
  }
  await browser.close();
  receiver.close();
} catch (error) {
  fail(error);
}

/** @returns the id of the first, when all have ended */
async function submitTasks(url, email, password) {
  const post = await signIn(url, email, password);
  const ids = [];
  for (const [description, required_capabilities, budget, input] of TASKS) {
    const { id } = await post('/tasks', { description, required_capabilities, budget, input });
    ids.push(id);
  }
  return ids[0];
}

/** @returns the id of a webhook that gets what happens to tasks from now on */
async function makeWebhook(url, email, password) {
  const post = await signIn(url, email, password);
  const events = ['task.queued', 'task.assigned', 'task.completed', 'task.failed'];
  const body = { url: 'http://hooks.acme.dev/zerostate', description: 'Pages the night shift', events };
  return (await post('/webhooks', body)).id;
}

/** @returns how to post a body as that account. A task is answered when it has ended */
async function signIn(url, email, password) {
  const headers = { 'content-type': 'application/json', prefer: 'wait=30' };
  const post = async (path, content) => {
    const response = await fetch(`${url}/api/v1${path}`, { method: 'POST', headers, body: JSON.stringify(content) });
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
    return response.json();
  };
  const { access_token } = await post('/auth/login', { email, password });
  headers.authorization = `Bearer ${access_token}`;
  return post;
}
