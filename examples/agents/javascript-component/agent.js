// To call the host, build for the world `calling-agent`; the upload then needs permissions.
// import { call } from 'zerostate:agent/host@1.0.0';

/** Takes JSON text and returns JSON text. What it throws fails the attempt; `console.error` writes to the task's log. */
export const run = {
  run(input) {
    const { text = '' } = JSON.parse(input);
    console.error(`Reversing ${text.length} characters.`);
    return JSON.stringify({ reversed: [...text].reverse().join('') });
  },
};
