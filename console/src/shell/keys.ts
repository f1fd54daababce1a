/** @returns whether a key belongs to a field, a dialog or a shortcut of the browser rather than to the page */
export function isTyping(event: KeyboardEvent): boolean {
  if (event.metaKey || event.ctrlKey || event.altKey) return true;
  const target = event.target as HTMLElement;
  return Boolean(target.closest('input, textarea, select, [contenteditable], dialog'));
}
