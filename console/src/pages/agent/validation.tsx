import { type ReactNode, useState } from 'react';
import type { Version } from '../../api/queries';
import { bytes, count, plural } from '../../lib/format';
import { permissionWords } from '../../lib/permissions';
import { Button, Panel, Tag } from '../../ui/basics';
import { JsonTree } from '../../ui/json-tree';
import { Glyph } from '../../ui/glyph';

const PAGE_MIB = 1 / 16;

/** The validation report as sentences; every figure on request. */
export function Validation({ version }: { version: Version }) {
  const [isOpen, setOpen] = useState(false);
  const { validation: report, scan } = version;
  const may = permissionWords(version.permissions);
  const { imports, memory, functions_count, custom_sections, details } = report;
  const producers = custom_sections.flatMap(({ producers: made }) => made ?? []);
  const language = producers.find(({ field }) => field === 'language');
  const tool = producers.find(({ field }) => field === 'processed-by');
  const made = [language?.name, tool && `${tool.name} ${tool.version}`].filter(Boolean).join(', ');
  return (
    <Panel
      title={`Validation of ${version.version}`}
      end={
        <Tag tone="ok" glyph="check">
          May run
        </Tag>
      }
    >
      <div className="find2">
        <Line>
          A core WebAssembly module of {bytes(report.size)}
          {made && `, made with ${made}`}
        </Line>
        <Line>
          {imports.length === 0 ? (
            'It asks the host for nothing'
          ) : (
            <>
              It asks the host for {plural(imports.length, 'function')} of {report.imported_modules.join(', ')}:{' '}
              <span className="mono">{imports.map(({ name }) => name).join(' ')}</span>
            </>
          )}
        </Line>
        <Line>
          It has no files and no network: the sandbox offers none
          {may.length > 0 && `. It may ask the host for: ${may.join(', ')}`}
        </Line>
        {memory && (
          <Line>
            It starts with {plural(memory.min_pages, 'page')} of memory ({(memory.min_pages * PAGE_MIB).toFixed(1)} MiB)
            and may grow{' '}
            {memory.max_pages === null ? 'up to the limit of the run' : `to ${count(memory.max_pages)} pages`}
          </Line>
        )}
        <Line>
          {plural(functions_count, 'function')}
          {details.largest_function &&
            `; the largest has ${bytes((details.largest_function as { bytes: number }).bytes)}`}
        </Line>
        <Line isOpen={scan.status !== 'clean'}>
          {scan.status === 'clean'
            ? 'The virus scanner found nothing'
            : scan.status === 'infected'
              ? `The virus scanner found ${scan.signature}`
              : scan.status === 'unscanned'
                ? 'The virus scanner was away: it is scanned when the scanner is back'
                : 'This server has no virus scanner'}
        </Line>
      </div>
      <div className="note">
        <Button look="quiet" small onClick={() => setOpen(!isOpen)} aria-expanded={isOpen}>
          {isOpen ? 'Hide the report' : 'Every figure of the report'}
        </Button>
      </div>
      {isOpen && <JsonTree value={report} label="Validation report" />}
    </Panel>
  );
}

function Line({ children, isOpen }: { children: ReactNode; isOpen?: boolean }) {
  return (
    <>
      <span className={isOpen ? 'open-point' : ''}>
        <Glyph name={isOpen ? 'warn' : 'check'} />
      </span>
      <span>{children}</span>
    </>
  );
}
