/**
 * Makes the pictures of `docs/console.md` anew, from a running server with the example agents:
 *
 *   node scripts/console-screenshots.js http://localhost:8080 admin@zerostate.local PASSWORD
 *
 * It submits a few tasks as that account. Needs Debian's `chromium`.
 */
import { mkdirSync } from 'node:fs';
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
  ['admin', '/admin', '.sheet svg', { width: 1280, height: 800, dark: true }],
];

try {
  const [url, email, password] = process.argv.slice(2);
  if (!password) throw new Error('Usage: node scripts/console-screenshots.js URL EMAIL PASSWORD');
  mkdirSync(FOLDER, { recursive: true });
  const first = await submitTasks(url, email, password);
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
    await page.goto(url + (path === 'task' ? `/tasks/${first}` : path));
    await page.locator(loaded).first().waitFor();
    if (name === 'new-task') await page.getByLabel('Text', { exact: true }).fill(TEXT);
    if (name === 'admin') await submitTasks(url, email, password);
    await page.waitForTimeout(name === 'admin' ? 4000 : 1000);
    await page.screenshot({ path: join(FOLDER, `${name}.png`) });
    console.log(`${name}.png`);
    await context.close();
  }
  await browser.close();
} catch (error) {
  fail(error);
}

/** @returns the id of the first, when all have ended */
async function submitTasks(url, email, password) {
  const call = async (path, options = {}) => {
    const response = await fetch(`${url}/api/v1${path}`, options);
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
    return response.json();
  };
  const json = { 'content-type': 'application/json' };
  const body = JSON.stringify({ email, password });
  const { access_token } = await call('/auth/login', { method: 'POST', headers: json, body });
  const headers = { ...json, authorization: `Bearer ${access_token}` };
  const ids = [];
  for (const [description, required_capabilities, budget, input] of TASKS) {
    const task = JSON.stringify({ description, required_capabilities, budget, input });
    const { id } = await call('/tasks', { method: 'POST', headers: { ...headers, Prefer: 'wait=30' }, body: task });
    ids.push(id);
  }
  return ids[0];
}
