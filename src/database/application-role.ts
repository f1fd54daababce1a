import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import pg from 'pg';
import { Refusal } from '../common/refusal.js';
import { DatabaseClient } from './client.js';

/** Tables that the application may only add to. A stolen login of the application cannot rewrite these records. */
const APPEND_ONLY = ['audit_log', 'ledger_transfers'];
/** What only the owner writes. */
const READ_ONLY = ['migrations'];

/**
 * Gives the application's role what a running server needs: it reads and writes rows, but changes no table, no entry
 * of the audit trail and no transfer of the ledger. To be repeated after migrations, which may have made tables.
 * @param ownerUrl the address of the role that owns the tables
 * @param url the address with which the application logs in; its role is made if it does not exist
 * @returns what was done, and what the role may do beyond that; one line each
 * @throws Refusal when the role does not exist and the owner may not make it
 */
export async function grantToApplication(ownerUrl: string, url: string): Promise<string[]> {
  const { username, password } = new URL(url);
  const role = decodeURIComponent(username);
  const owner = new DatabaseClient(ownerUrl);
  await owner.connect();
  try {
    const made = await makeRole(owner, role, decodeURIComponent(password));
    const { rows } = await owner.query<{ statement: string }>(GRANTS, [role, APPEND_ONLY, READ_ONLY]);
    await owner.query(['BEGIN', ...rows.map(({ statement }) => statement), 'COMMIT'].join(';\n'));
    const beyond = await owner.query<{ warning: string }>(BEYOND, [role]);
    return [
      ...(made ? [`made the role ${role}`] : []),
      `the role ${role} may read and write rows, and only add to the audit trail and to the ledger`,
      ...beyond.rows.map(({ warning }) => `warning: the role ${role} ${warning}`),
    ];
  } finally {
    await owner.end();
  }
}

async function makeRole(owner: pg.Client, role: string, password: string): Promise<boolean> {
  const { rows } = await owner.query<{ exists: boolean; may: boolean }>(
    `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1) AS exists, rolcreaterole OR rolsuper AS may
       FROM pg_roles WHERE rolname = current_user`,
    [role],
  );
  const [{ exists, may }] = rows;
  if (exists) return false;
  const name = pg.escapeIdentifier(role);
  if (!may) {
    throw new Refusal(
      `The role ${role} of DATABASE_URL does not exist, and the role of DATABASE_OWNER_URL may not make it.`,
      `As a superuser: CREATE ROLE ${name} LOGIN PASSWORD '…'; then run this command again.`,
    );
  }
  // PostgreSQL may log statements, so the password goes as the verifier that it would store.
  const secret = password && ` PASSWORD ${pg.escapeLiteral(scramVerifier(password))}`;
  await owner.query(`CREATE ROLE ${name} LOGIN${secret}`);
  return true;
}

/** What PostgreSQL stores of a password (RFC 5803). */
export function scramVerifier(password: string, salt = randomBytes(16)): string {
  const rounds = 4096;
  const salted = pbkdf2Sync(password.normalize('NFKC'), salt, rounds, 32, 'sha256');
  const keyed = (text: string) => createHmac('sha256', salted).update(text).digest();
  const stored = createHash('sha256').update(keyed('Client Key')).digest('base64');
  return `SCRAM-SHA-256$${rounds}:${salt.toString('base64')}$${stored}:${keyed('Server Key').toString('base64')}`;
}

const SCHEMAS = `SELECT oid, nspname FROM pg_namespace WHERE nspname = current_schema()`;

/** Statements, in order. Objects of other owners are left alone. */
const GRANTS = `
  WITH schemas AS (${SCHEMAS}),
       objects AS (SELECT c.oid::regclass AS object, relname, relkind FROM pg_class c JOIN schemas s ON s.oid = relnamespace
                    WHERE relkind IN ('r', 'p', 'v', 'S') AND relowner = (SELECT oid FROM pg_roles WHERE rolname = current_user))
  SELECT statement FROM (
    SELECT 1 AS step, format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), $1::text) AS statement
    UNION ALL SELECT 1, format('GRANT USAGE ON SCHEMA %I TO %I', nspname, $1::text) FROM schemas
    UNION ALL SELECT 1, format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC', nspname) FROM schemas
    UNION ALL SELECT 1, format(CASE relkind WHEN 'S' THEN 'GRANT USAGE, SELECT ON SEQUENCE %s TO %I'
        ELSE 'GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %I' END, object, $1::text) FROM objects
    UNION ALL SELECT 2, format('REVOKE UPDATE, DELETE, TRUNCATE ON %s FROM %I', object, $1::text) FROM objects
        WHERE relname = ANY ($2)
    UNION ALL SELECT 2, format('REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON %s FROM %I', object, $1::text) FROM objects
        WHERE relname = ANY ($3)
  ) AS statements ORDER BY step`;

/** What the role may do although this command did not grant it. */
const BEYOND = `
  WITH schemas AS (${SCHEMAS})
  SELECT 'is a superuser' AS warning FROM pg_roles WHERE rolname = $1::text AND rolsuper
  UNION ALL SELECT 'owns tables, or is a member of their owner' FROM pg_class c JOIN schemas s ON s.oid = relnamespace
    WHERE pg_has_role($1::text, relowner, 'MEMBER') HAVING count(*) > 0
  UNION ALL SELECT format('may create in the schema %s', nspname) FROM schemas
    WHERE has_schema_privilege($1::text, nspname, 'CREATE')`;
