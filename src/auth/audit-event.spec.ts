import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { AUDIT_TYPES } from './audit-event.entity.js';

it('docs/security.md lists the acts of the audit trail', () => {
  const text = readFileSync(new URL('../../../docs/security.md', import.meta.url), 'utf8');
  const [, list] = text.split('**Audit trail**');
  const [named] = list.split('###');
  expect([...named.matchAll(/`(\w+\.\w+)`/g)].map(([, type]) => type).sort()).toEqual([...AUDIT_TYPES].sort());
});
