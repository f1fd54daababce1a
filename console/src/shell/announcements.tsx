import { useEffect, useState } from 'react';
import { onOwnEvents } from '../api/feed';
import { Glyph } from '../ui/glyph';

/** What admins announce to everybody, until the reader closes it. */
export function Announcements() {
  const [message, setMessage] = useState<string>();
  useEffect(
    () =>
      onOwnEvents((events) => {
        const last = events.findLast(({ type }) => type === 'system.announcement');
        if (last) setMessage(String(last.data.message));
      }),
    [],
  );
  if (!message) return null;
  return (
    <div className="banner plain" role="status">
      <span>
        <b>Announcement:</b> {message}
      </span>
      <button type="button" className="btn quiet icon tiny" aria-label="Close" onClick={() => setMessage(undefined)}>
        <Glyph name="x" />
      </button>
    </div>
  );
}
