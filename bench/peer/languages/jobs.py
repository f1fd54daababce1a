"""Small jobs, the same as in jobs.js. As a program it is the native peer: one request a line, one answer a line."""
import json
import re

WORD = re.compile(r'[a-z]+')
TEXT = 'the quick brown fox jumps over the lazy dog and runs away from 42 hounds; ' * 3000


def start(_):
    return None


def words(_):
    counts = {}
    for word in WORD.findall(TEXT):
        counts[word] = counts.get(word, 0) + 1
    return counts['the']


def documents(_):
    text = json.dumps([{'id': n, 'name': f'item {n}', 'tags': ['a', 'b'], 'price': n / 4} for n in range(10_000)])
    # A whole number: the languages write 1.0 and 1 differently.
    return int(sum(item['price'] for item in json.loads(text)))


def recursion(_):
    def fib(n):
        return n if n < 2 else fib(n - 1) + fib(n - 2)
    return fib(22)


def sieve(_):
    prime = bytearray([1]) * 200_001
    for n in range(2, 448):
        if prime[n]:
            for multiple in range(n * n, 200_001, n):
                prime[multiple] = 0
    return sum(prime) - 2


def sorting(_):
    numbers, seed = [], 1
    for _ in range(50_000):
        seed = seed * 48_271 % 2_147_483_647
        numbers.append(seed)
    numbers.sort(key=lambda n: n % 1000)
    return numbers[0] % 1000


def strings(_):
    return len(','.join(f'{n}:{n * 2}' for n in range(50_000)).split(','))


def floats(_):
    total = 0.0
    for n in range(1, 300_001):
        total += 1.0 / (n * n)
    return round(total, 6)


JOBS = {job.__name__: job for job in (start, words, documents, recursion, sieve, sorting, strings, floats)}


def agent(input):
    return JOBS[input['job']](input)


def serve():
    import sys
    for line in sys.stdin:
        print(json.dumps(agent(json.loads(line))), flush=True)
