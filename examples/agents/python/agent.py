"""Reverses a text and counts its letters: a template to replace."""
from collections import Counter


def agent(input):
    text = input['text']
    print(f'A text of {len(text)} characters.')
    return {'reversed': text[::-1], 'letters': Counter(letter for letter in text.lower() if letter.isalpha())}
