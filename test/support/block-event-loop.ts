/**
 * A server under test loads this. It blocks the event loop on demand, as code that computes would, but sleeps meanwhile: the
 * other suites need the core.
 */
process.on('message', ({ type, ms }: { type?: string; ms: number }) => {
  if (type === 'block') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
});
// This listener must not keep the server from ending.
process.channel?.unref();
