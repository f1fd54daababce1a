import type { ReactNode } from 'react';
import type { Version } from '../../api/queries';
import { bytes, plural, shortDate } from '../../lib/format';
import { permissionWords } from '../../lib/permissions';
import { Id, Panel, Tag } from '../../ui/basics';

interface VersionsPanelProps {
  /** Newest first. */
  versions: readonly Version[];
  /** What the owner can do with a version. */
  actions?: (version: Version) => ReactNode;
}

export function VersionsPanel({ versions, actions }: VersionsPanelProps) {
  return (
    <Panel title="Versions" note={plural(versions.length, 'version')}>
      <div className="scroll" tabIndex={0} role="group" aria-label="Versions">
        <table className="tbl">
          <thead>
            <tr>
              <th>Version</th>
              <th>State</th>
              <th>Scan</th>
              <th className="num">Size</th>
              <th>SHA-256</th>
              <th className="num">Memory limit</th>
              <th>May ask of the host</th>
              <th>What changed</th>
              <th className="num">Uploaded</th>
              {actions && (
                <th>
                  <span className="sr">Act</span>
                </th>
              )}
            </tr>
          </thead>
          <tbody>
            {versions.map((version, index) => (
              <tr key={version.version}>
                <td className="strong">{version.version}</td>
                <td>
                  <VersionState version={version} />
                </td>
                <td>{SCANS[version.scan.status]}</td>
                <td className="num">{bytes(version.binary_size)}</td>
                <td>
                  <Id id={version.binary_hash} what="the hash" />
                </td>
                <td className="num">
                  {version.limits?.memory_mb ? `${version.limits.memory_mb} MiB` : 'The server’s'}
                </td>
                <td className="mute">{permissionWords(version.permissions).join(', ') || 'Nothing'}</td>
                <td className="mute">{changes(version, versions[index + 1])}</td>
                <td className="num">{shortDate(version.created_at)}</td>
                {actions && <td className="num">{actions(version)}</td>}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}

const SCANS: Record<Version['scan']['status'], string> = {
  clean: 'Clean',
  infected: 'Infected',
  unscanned: 'Not yet scanned',
  not_configured: 'No scanner',
};

export function VersionState({ version }: { version: Version }) {
  switch (version.status) {
    case 'active':
      return (
        <Tag tone="ok" glyph="check">
          Active
        </Tag>
      );
    case 'quarantined':
      return (
        <Tag tone="bad" glyph="x">
          Quarantined
        </Tag>
      );
    case 'retired':
      return <Tag>Retired</Tag>;
    default:
      return <Tag>Inactive</Tag>;
  }
}

/** How a version differs from the one before it, from both validation reports. */
export function changes(version: Version, before: Version | undefined): string {
  if (!before) return 'The first';
  const parts: string[] = [];
  const size = version.binary_size - before.binary_size;
  if (size !== 0) parts.push(`${size > 0 ? '+' : '−'}${bytes(Math.abs(size))}`);
  const names = ({ validation }: Version) => validation.imports.map(({ name }) => name);
  const added = names(version).filter((name) => !names(before).includes(name));
  const gone = names(before).filter((name) => !names(version).includes(name));
  if (added.length > 0) parts.push(`also imports ${added.slice(0, 3).join(', ')}${added.length > 3 ? ' …' : ''}`);
  if (gone.length > 0) parts.push(`no longer imports ${gone.slice(0, 3).join(', ')}${gone.length > 3 ? ' …' : ''}`);
  const functions = version.validation.functions_count - before.validation.functions_count;
  if (functions !== 0) parts.push(`${plural(Math.abs(functions), 'function')} ${functions > 0 ? 'more' : 'fewer'}`);
  if (version.limits?.memory_mb !== before.limits?.memory_mb)
    parts.push(`memory limit was ${before.limits?.memory_mb ? `${before.limits.memory_mb} MiB` : 'the server’s'}`);
  const [may, could] = [permissionWords(version.permissions), permissionWords(before.permissions)];
  const more = may.filter((word) => !could.includes(word));
  const less = could.filter((word) => !may.includes(word));
  if (more.length > 0) parts.push(`may also use ${more.join(', ')}`);
  if (less.length > 0) parts.push(`no longer uses ${less.join(', ')}`);
  if (parts.length === 0)
    return version.binary_hash === before.binary_hash ? 'The same bytes' : 'Same size and imports';
  return parts.join(', ');
}
