/** Loaded into a server under test: blocks its event loop when it is told to, as code that computes would. */
process.on('message', ({ type, ms }: { type?: string; ms: number }) => {
  if (type !== 'block') return;
  for (const end = performance.now() + ms; performance.now() < end;);
});
// A listener of ours must not keep the server from ending.
process.channel?.unref();
