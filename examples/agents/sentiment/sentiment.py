"""Judges the sentiment of English texts by word lists, with negation and emphasis.

Input: {"texts": [text, …]}. Result: {"results": [{"label", "score", "words": {word: count}}, …]}, in the same order.
"""
import re
import sys
from collections import Counter

POSITIVE = set('''amazing awesome best brilliant comfortable delicious delighted easy enjoy enjoyed excellent fantastic fast
friendly good great happy helpful impressive love loved lovely nice perfect pleasant pleased recommend reliable satisfied
smooth superb thank thanks wonderful worth'''.split())
NEGATIVE = set('''angry annoying awful bad boring broken cold complaint confusing damaged defective dirty disappointed
disappointing expensive fail failed hate hated horrible late mistake noisy poor refund rude sad scam slow terrible ugly
unhappy useless waste worse worst wrong'''.split())
NEGATION = {'no', 'not', 'never', 'neither', 'nor', 'hardly', 'without', 'cannot'}
EMPHASIS = {'very': 1.5, 'really': 1.5, 'so': 1.25, 'extremely': 2.0, 'absolutely': 2.0, 'slightly': 0.5, 'somewhat': 0.75}
WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
REACH = 3  # words before a judgement that may negate or emphasise it


def score(text):
    total, found = 0.0, Counter()
    words = [word.lower().replace('’', "'") for word in WORD.findall(text)]
    for i, word in enumerate(words):
        value = (word in POSITIVE) - (word in NEGATIVE)
        if value == 0:
            continue
        for earlier in words[max(0, i - REACH) : i]:
            value *= EMPHASIS.get(earlier, 1)
            if earlier in NEGATION or earlier.endswith("n't"):
                value = -value
        total += value
        found[word] += 1
    return total, found


def agent(input):
    texts = input.get('texts') if isinstance(input, dict) else None
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        print('The input needs "texts", a list of strings.')
        sys.exit(65)
    results = []
    for text in texts:
        total, found = score(text)
        label = 'positive' if total > 0 else 'negative' if total < 0 else 'neutral'
        results.append({'label': label, 'score': round(total, 2), 'words': dict(found)})
    print(f'{len(texts)} texts, {sum(map(len, texts)):,} characters')
    return {'results': results}
