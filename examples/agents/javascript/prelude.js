/** What scripts find beside the language itself. Evaluated before the script; what begins with `__` is native. */
(({ __log: log, __random: random, __now: now, __call: hostCall }) => {
  delete globalThis.__log;
  delete globalThis.__call;
  delete globalThis.__random;
  delete globalThis.__now;

  const shown = (value) => {
    if (typeof value === 'string') return value;
    if (value instanceof Error) return `${value}\n${value.stack}`;
    if (typeof value === 'bigint') return `${value}n`;
    return JSON.stringify(value) ?? String(value);
  };
  globalThis.console = {};
  for (const level of ['log', 'info', 'warn', 'error', 'debug']) {
    console[level] = (...values) => log(values.map(shown).join(' '));
  }

  /** Thrown, it says that the input is at fault: the task fails with INPUT_REFUSED, which does not count against the agent. */
  globalThis.InputRefused = class InputRefused extends Error {
    get name() {
      return 'InputRefused';
    }
  };

  /** Thrown when the host refuses a call or the call fails. `code` is stable, such as HOST_NOT_ALLOWED. */
  class CallError extends Error {
    constructor(code, message) {
      super(message);
      this.code = code;
    }
    get name() {
      return 'CallError';
    }
  }

  const call = (method, request = {}) => {
    const text = hostCall(`/zerostate/${method}`, JSON.stringify(request));
    if (text === null) {
      throw new CallError('NOT_PERMITTED', `This run may not call ${method}: its permissions do not name it.`);
    }
    const answer = JSON.parse(text);
    if (answer.error) throw new CallError(answer.error.code, answer.error.message);
    return answer;
  };

  /** Calls of the host. Each waits for its answer and returns it, or throws a CallError. */
  globalThis.zerostate = {
    CallError,
    call,
    fetch: (url, options = {}) => call('http.fetch', { url, ...options }),
    llm: {
      chat: (request) => call('llm.chat', request),
      embed: (request) => call('llm.embed', request),
    },
    kv: {
      get: (key) => call('kv.get', { key }),
      put: (key, value, options = {}) => call('kv.put', { key, value, ...options }),
      delete: (key) => call('kv.delete', { key }),
      list: (options = {}) => call('kv.list', options),
    },
    emit: (data, options = {}) => call('output.emit', { data, ...options }),
    ask: (question, options = {}) => call('input.ask', { question, ...options }).answer,
    submit: (task) => call('task.submit', task).id,
    wait: (id, options = {}) => call('task.wait', { id, ...options }),
  };

  globalThis.queueMicrotask = (work) => void Promise.resolve().then(work);

  let lastTimer = 0;
  const timers = new Map();
  const start = (work, delay, args, every) => {
    const ms = Math.max(Number(delay) || 0, every ? 1 : 0);
    timers.set(++lastTimer, { at: now() + ms, run: () => work(...args), every: every ? ms : undefined });
    return lastTimer;
  };
  globalThis.setTimeout = (work, delay, ...args) => start(work, delay, args, false);
  globalThis.setInterval = (work, delay, ...args) => start(work, delay, args, true);
  globalThis.clearTimeout = globalThis.clearInterval = (id) => void timers.delete(id);
  globalThis.performance = { now };
  /** For the runtime: runs the timer that is due first, or says how long to wait for it, ms. @returns -1 without timers */
  globalThis.__runTimer = () => {
    let next;
    for (const [id, timer] of timers) if (!next || timer.at < next[1].at) next = [id, timer];
    if (!next) return -1;
    const [id, timer] = next;
    const wait = timer.at - now();
    if (wait > 0) return Math.ceil(wait);
    if (timer.every === undefined) timers.delete(id);
    else timer.at += timer.every;
    timer.run();
    return 0;
  };

  globalThis.crypto = {
    getRandomValues(array) {
      random(array.buffer, array.byteOffset, array.byteLength);
      return array;
    },
    randomUUID() {
      const bytes = crypto.getRandomValues(new Uint8Array(16));
      bytes[6] = (bytes[6] & 0x0f) | 0x40;
      bytes[8] = (bytes[8] & 0x3f) | 0x80;
      const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
      return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
    },
  };

  globalThis.TextEncoder = class TextEncoder {
    get encoding() {
      return 'utf-8';
    }
    encode(text = '') {
      const bytes = [];
      for (const character of String(text)) {
        let code = character.codePointAt(0);
        if (code >= 0xd800 && code <= 0xdfff) code = 0xfffd;
        if (code < 0x80) bytes.push(code);
        else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63));
        else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
        else bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
      }
      return Uint8Array.from(bytes);
    }
  };
  globalThis.TextDecoder = class TextDecoder {
    constructor(label = 'utf-8', { fatal = false } = {}) {
      if (!/^(utf-?8|unicode-1-1-utf-8)$/i.test(label.trim()))
        throw new RangeError(`Only UTF-8 is known, not ${label}.`);
      this.fatal = fatal;
    }
    get encoding() {
      return 'utf-8';
    }
    decode(input = new Uint8Array()) {
      const bytes =
        input instanceof ArrayBuffer
          ? new Uint8Array(input)
          : new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
      const pieces = [];
      let text = '';
      for (let at = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0; at < bytes.length;) {
        const first = bytes[at++];
        let left =
          first < 0x80
            ? 0
            : first >= 0xc2 && first < 0xe0
              ? 1
              : first >= 0xe0 && first < 0xf0
                ? 2
                : first >= 0xf0 && first < 0xf5
                  ? 3
                  : -1;
        let code = left <= 0 ? first : first & (0x3f >> left);
        let low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
        let high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
        for (; left > 0 && bytes[at] >= low && bytes[at] <= high; left--, low = 0x80, high = 0xbf) {
          code = (code << 6) | (bytes[at++] & 63);
        }
        if (left !== 0) {
          if (this.fatal) throw new TypeError('The bytes are not UTF-8.');
          code = 0xfffd;
        }
        text += String.fromCodePoint(code);
        if (text.length > 4096) {
          pieces.push(text);
          text = '';
        }
      }
      return pieces.join('') + text;
    }
  };

  const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  globalThis.btoa = (text) => {
    const bytes = [...String(text)].map((character) => character.codePointAt(0));
    if (bytes.some((byte) => byte > 255)) throw new RangeError('btoa takes characters up to U+00FF only.');
    let encoded = '';
    for (let at = 0; at < bytes.length; at += 3) {
      const [a, b = 0, c = 0] = bytes.slice(at, at + 3);
      const four =
        BASE64[a >> 2] + BASE64[((a & 3) << 4) | (b >> 4)] + BASE64[((b & 15) << 2) | (c >> 6)] + BASE64[c & 63];
      encoded += four.slice(0, Math.min(4, bytes.length - at + 1)).padEnd(4, '=');
    }
    return encoded;
  };
  globalThis.atob = (encoded) => {
    const text = String(encoded)
      .replace(/[\t\n\f\r ]/g, '')
      .replace(/={1,2}$/, '');
    if (text.length % 4 === 1 || /[^A-Za-z0-9+/]/.test(text)) throw new RangeError('atob takes base64 only.');
    let decoded = '';
    let bits = 0;
    for (const [place, character] of [...text].entries()) {
      bits = ((bits << 6) | BASE64.indexOf(character)) & 0xfff;
      if (place % 4 > 0) decoded += String.fromCharCode((bits >> (6 - 2 * (place % 4))) & 255);
    }
    return decoded;
  };
})(globalThis);
