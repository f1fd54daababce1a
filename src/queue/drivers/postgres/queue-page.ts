import type { Request, RequestHandler, Response } from 'express';
import type { EntryTable, ListedEntry } from './entry-table.js';

/** Entries that the page shows. */
const SHOWN = 500;

/** Shows the entries of the queue. It only reads, and it needs no script. */
export const queuePage =
  (table: EntryTable): RequestHandler =>
  async (request: Request, response: Response, next) => {
    try {
      if (request.path !== '/') return next();
      const [entries, counts, paused] = await Promise.all([table.list(SHOWN), table.counts(), table.isPaused()]);
      const { waiting, active, delayed } = counts;
      const all = waiting + active + delayed;
      const head = `${paused ? 'Paused. ' : ''}${active} active, ${waiting} waiting, ${delayed} delayed.`;
      const rest = all > entries.length ? `<p>The first ${entries.length} of ${all} entries.</p>` : '';
      response.set('Content-Security-Policy', "default-src 'none'; style-src 'unsafe-inline'");
      response.type('html').send(page(`<p>${head}</p>${entries.length > 0 ? tableOf(entries) : ''}${rest}`));
    } catch (error) {
      next(error);
    }
  };

const page = (body: string): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="5">
<title>Queue · ZeroState</title>
<style>
:root { color-scheme: light dark; font: 14px/1.5 system-ui, sans-serif; }
body { margin: 24px; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 16px 4px 0; text-align: left; border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); }
</style>
<h1>ZeroState: the queue</h1>
<p>An entry says that a worker should look at a task. Pause, resume and drain through the API.</p>
${body}
</html>
`;

const tableOf = (entries: ListedEntry[]): string =>
  `<table><thead><tr><th>Task<th>State<th>May start<th>Failed tries</thead><tbody>${entries.map(rowOf).join('')}</tbody></table>`;

/** None of these values can hold markup. */
const rowOf = ({ taskId, state, dueAt, failures }: ListedEntry): string =>
  `<tr><td><code>${taskId}</code><td>${state}<td>${dueAt.toISOString()}<td>${failures}`;
