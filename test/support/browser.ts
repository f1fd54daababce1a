import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { ensureInstalled } from './apt.js';

const CHROMIUM = '/usr/bin/chromium';
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Debian's Chromium, without a window and without errands of its own. */
export function launchBrowser(): Promise<Browser> {
  ensureInstalled('chromium', () => existsSync(CHROMIUM), '--no-install-recommends');
  return chromium.launch({
    executablePath: CHROMIUM,
    args: [
      ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync'],
      ...['--disable-background-networking', '--disable-component-update'],
    ],
  });
}

// Texts, not functions: the tests are compiled without the types of a browser.
const REPORT_POLICY =
  'addEventListener("securitypolicyviolation", (event) => console.error("policy:", event.violatedDirective, event.blockedURI))';
const RUN_AXE = (rule: string | undefined): string =>
  `axe.run({ resultTypes: ["violations"], ${rule ? `runOnly: ["${rule}"]` : ''} }).then(({ violations }) => violations)`;

interface Violation {
  id: string;
  impact: string;
  nodes: { html: string; failureSummary: string }[];
}

/** A page whose faults are collected: errors in its console, exceptions, breaches of its policy, requests elsewhere. */
export interface WatchedPage {
  page: Page;
  /** One line each; a test ends with none. */
  faults: string[];
}

/**
 * Opens a page in a profile of its own.
 * @param url of the only host that it may ask
 */
export async function openPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<WatchedPage> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  const page = await context.newPage();
  const faults: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => faults.push(`exception: ${error.message}`));
  page.on('request', (request) => {
    const { protocol, host } = new URL(request.url());
    if (protocol !== 'blob:' && protocol !== 'data:' && host !== new URL(url).host)
      faults.push(`request: ${request.url()}`);
  });
  await page.addInitScript({ content: REPORT_POLICY });
  return { page, faults };
}

/** @param rule the only one to check; unset: all. @returns what axe-core finds serious or critical, one line each */
export async function inaccessible(page: Page, rule?: string): Promise<string[]> {
  // Over the debugger, which the page's policy does not bind.
  await page.evaluate(`${AXE}; undefined`);
  const violations = await page.evaluate<Violation[]>(RUN_AXE(rule));
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`));
}
