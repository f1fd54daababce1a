/** Small jobs, the same as in jobs.py. The runtime calls `agent`. */
/* oxlint-disable no-unused-vars */
const TEXT = 'the quick brown fox jumps over the lazy dog and runs away from 42 hounds; '.repeat(3000);

const JOBS = {
  start: () => null,

  words() {
    const counts = {};
    for (const word of TEXT.match(/[a-z]+/g)) counts[word] = (counts[word] ?? 0) + 1;
    return counts.the;
  },

  documents() {
    const items = [];
    for (let n = 0; n < 10_000; n++) items.push({ id: n, name: `item ${n}`, tags: ['a', 'b'], price: n / 4 });
    let total = 0;
    for (const item of JSON.parse(JSON.stringify(items))) total += item.price;
    return Math.trunc(total);
  },

  recursion() {
    const fib = (n) => (n < 2 ? n : fib(n - 1) + fib(n - 2));
    return fib(22);
  },

  sieve() {
    const prime = new Uint8Array(200_001).fill(1);
    for (let n = 2; n < 448; n++) {
      if (prime[n]) for (let multiple = n * n; multiple < 200_001; multiple += n) prime[multiple] = 0;
    }
    let count = 0;
    for (const is of prime) count += is;
    return count - 2;
  },

  sorting() {
    const numbers = [];
    let seed = 1;
    for (let n = 0; n < 50_000; n++) {
      seed = (seed * 48_271) % 2_147_483_647;
      numbers.push(seed);
    }
    numbers.sort((a, b) => (a % 1000) - (b % 1000));
    return numbers[0] % 1000;
  },

  strings() {
    const parts = [];
    for (let n = 0; n < 50_000; n++) parts.push(`${n}:${n * 2}`);
    return parts.join(',').split(',').length;
  },

  floats() {
    let total = 0;
    for (let n = 1; n <= 300_000; n++) total += 1 / (n * n);
    return Math.round(total * 1e6) / 1e6;
  },
};

function agent(input) {
  return JOBS[input.job]();
}
