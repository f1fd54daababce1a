import pg from 'pg';

/** Settings of a PostgreSQL session, as `SET` takes them: name → value. */
export type SessionSettings = Readonly<Record<string, string>>;

/**
 * What the code relies on in every session. Roles, databases and poolers may have other defaults.
 *
 * `default_transaction_read_only` is not among them: an operator who sets it wants no writes. Readiness reports it.
 */
const PINNED: SessionSettings = {
  client_encoding: 'UTF8',
  // The driver reads values in these forms alone.
  datestyle: 'ISO, MDY',
  intervalstyle: 'postgres',
  timezone: 'UTC',
  bytea_output: 'hex',
  extra_float_digits: '1',
  standard_conforming_strings: 'on',
  // Under a stricter level concurrent statements fail with 40001 instead of waiting for each other.
  default_transaction_isolation: 'read committed',
  // Each part of the code bounds its own waits. A session that others may end loses its advisory locks.
  statement_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  idle_session_timeout: '0',
  transaction_timeout: '0',
  // PostgreSQL notices within 30 s that a machine has vanished, and releases the locks of its sessions.
  tcp_keepalives_idle: '10',
  tcp_keepalives_interval: '5',
  tcp_keepalives_count: '4',
};

/** PostgreSQL 14 lacks `transaction_timeout`; an older one must be reachable to be refused by its version. */
const NOT_EVERYWHERE = new Set(['transaction_timeout', 'idle_session_timeout']);

/**
 * The schema of this installation: where its tables are found by the session's own path, else where that path creates
 * tables, else `public`. From then on no other schema matters.
 */
const OWN_SCHEMA = `coalesce(
  (SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = to_regclass('task_events')),
  quote_ident(nullif(current_schema(), 'pg_catalog')),
  'public')`;

/**
 * The statements that make a session what the code relies on, to be sent as one message of the simple protocol.
 * @param address settings from `options` of the address; those that are pinned are ignored
 * @param own settings of this connection's purpose; they win over all others
 */
export function settingStatements(address: SessionSettings, own: SessionSettings): string {
  const { search_path: path = address.search_path, ...settings } = { ...address, ...PINNED, ...own };
  const set = (name: string, value: string): string => `set_config(${pg.escapeLiteral(name)}, ${value}, false)`;
  const setters = Object.entries(settings).map(([name, value]) => {
    const setter = set(name, pg.escapeLiteral(value));
    return NOT_EVERYWHERE.has(name)
      ? `CASE WHEN current_setting('${name}', true) IS NOT NULL THEN ${setter} END`
      : setter;
  });
  // First of all, so that a short time-out of the role cannot end what removes it.
  const statements = ['SET statement_timeout = 0'];
  if (path !== undefined) statements.push(`SELECT ${set('search_path', pg.escapeLiteral(path))}`);
  if (own.search_path === undefined) statements.push(`SELECT ${set('search_path', OWN_SCHEMA)}`);
  return [...statements, `SELECT ${setters.join(', ')}`].join(';\n');
}

/**
 * Splits what an address or `PGOPTIONS` has as `options`: settings can be set after connecting, which poolers require;
 * anything else (a proxy's routing, for example) stays in the start packet.
 * @param options as libpq takes them: `-c name=value`, `--name=value`, with `\` before spaces inside a value
 */
export function splitOptions(options: string): { settings: SessionSettings; rest: string } {
  const words = [...options.matchAll(/(?:\\.|[^\\\s])+/g)].map(([word]) => word);
  const settings: Record<string, string> = {};
  const rest: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const alone = words[at] === '-c';
    const given = alone ? words[at + 1] : /^(?:-c|--)(.+)$/s.exec(words[at])?.[1];
    const [, name, value] = /^([\w.-]+)=(.*)$/s.exec(given ?? '') ?? [];
    if (name) {
      settings[name.toLowerCase().replaceAll('-', '_')] = value.replace(/\\(.)/gs, '$1');
      if (alone) at++;
    } else {
      rest.push(words[at]);
    }
  }
  return { settings, rest: rest.join(' ') };
}
