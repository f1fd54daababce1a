/** How figures, times and ids are written. Pure: the same everywhere on the console. */

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Credits with two decimals, or as many as the amount needs up to four: `0.30`, `0.2621`. */
export function credits(amount: number, decimals?: number): string {
  const needed = decimals ?? (Math.abs(amount * 100 - Math.round(amount * 100)) < 1e-7 ? 2 : 4);
  return amount.toLocaleString('en', { minimumFractionDigits: needed, maximumFractionDigits: needed });
}

/** `29.6 ms`, `1.07 s`, `4 min 10 s`. */
export function duration(ms: number): string {
  if (ms === 0) return '0 ms';
  if (ms < 1) return `${ms.toFixed(2)} ms`;
  if (ms < 99.95) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(2)} s`;
  if (ms < MINUTE) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min ${Math.floor((ms % MINUTE) / 1000)} s`;
  return `${Math.floor(ms / HOUR)} h ${Math.floor((ms % HOUR) / MINUTE)} min`;
}

/** Always in milliseconds, to one decimal: for columns that are compared. */
export const milliseconds = (ms: number): string =>
  `${ms.toLocaleString('en', { minimumFractionDigits: 1, maximumFractionDigits: 1 })} ms`;

/** `612 B`, `48.2 KB`, `1.4 MB`. */
export function bytes(count: number): string {
  if (count < 1000) return `${count} B`;
  if (count < 1_000_000) return `${(count / 1000).toFixed(1)} KB`;
  return `${(count / 1_000_000).toFixed(1)} MB`;
}

/** Memory, in binary units: `21.4 MiB`. */
export const memory = (count: number): string => `${(count / 1024 / 1024).toFixed(1)} MiB`;

export const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

export const count = (value: number): string => value.toLocaleString('en');

/** `0193a7c2…e41f` */
export const shortId = (id: string): string => (id.length > 16 ? `${id.slice(0, 8)}…${id.slice(-4)}` : id);

const two = (value: number): string => String(value).padStart(2, '0');

/** `14:02:11`, local time. */
export function clock(at: Date | string, withMs = false): string {
  const time = new Date(at);
  const seconds = `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
  return withMs ? `${seconds}.${String(time.getMilliseconds()).padStart(3, '0')}` : seconds;
}

/** `6 min ago`, `in 2 h`. */
export function relative(at: Date | string, now: number): string {
  const ago = now - new Date(at).getTime();
  const size = Math.abs(ago);
  const words =
    size < 5000
      ? ''
      : size < MINUTE
        ? `${Math.round(size / 1000)} s`
        : size < HOUR
          ? `${Math.round(size / MINUTE)} min`
          : size < 2 * DAY
            ? `${Math.round(size / HOUR)} h`
            : `${Math.round(size / DAY)} d`;
  if (!words) return 'just now';
  return ago >= 0 ? `${words} ago` : `in ${words}`;
}

/** `24 November 2026, 09:30:00 UTC+1`: the full date, for tooltips. */
export const fullTime = (at: Date | string): string =>
  new Date(at).toLocaleString('en-GB', {
    day: 'numeric',
    month: 'long',
    year: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    timeZoneName: 'short',
  });

/** `29 November`; the year only when it is not this one. */
export function dayName(at: Date | string, now: Date): string {
  const day = new Date(at);
  if (day.toDateString() === now.toDateString()) return 'Today';
  const year = day.getFullYear() === now.getFullYear() ? {} : ({ year: 'numeric' } as const);
  return day.toLocaleDateString('en-GB', { day: 'numeric', month: 'long', ...year });
}

/** `19 Nov, 10:41` */
export const shortDate = (at: Date | string): string =>
  new Date(at).toLocaleString('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });

export const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);

/** `1 agent`, `3 agents`. */
export const plural = (value: number, noun: string): string => `${count(value)} ${noun}${value === 1 ? '' : 's'}`;
