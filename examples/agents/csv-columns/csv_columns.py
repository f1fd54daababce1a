"""Describes the columns of a CSV document, whatever its delimiter and decimal sign.

Input: {"csv": text, "delimiter"?: one character}. Result: {"rows", "delimiter", "columns": {name: description}}.
"""
import csv
import io
import statistics
import sys


def number(text):
    """Returns the number that a cell holds, as in 1234.5 or 1234,5, or None."""
    try:
        return float(text.strip().replace(',', '.'))
    except ValueError:
        return None


def describe(cells):
    filled = [cell for cell in cells if cell not in (None, '')]
    numbers = [value for value in map(number, filled) if value is not None]
    shared = {'count': len(filled), 'missing': len(cells) - len(filled)}
    if not filled or len(numbers) < len(filled):
        common = {'mode': statistics.mode(filled)} if filled else {}
        return {'type': 'text', **shared, 'distinct': len(set(filled)), **common}
    quartiles = statistics.quantiles(numbers, n=4) if len(numbers) > 1 else numbers * 3
    return {
        'type': 'number', **shared, 'min': min(numbers), 'max': max(numbers), 'mean': round(statistics.fmean(numbers), 6),
        'median': statistics.median(numbers), 'quartiles': [round(value, 6) for value in quartiles],
    }


def agent(input):
    if not isinstance(input, dict) or not isinstance(input.get('csv'), str):
        print('The input needs "csv", a text.')
        sys.exit(65)
    head = input['csv'].split('\n', 1)[0]
    delimiter = input.get('delimiter') or max(',;\t|', key=head.count)
    rows = list(csv.DictReader(io.StringIO(input['csv'], newline=''), delimiter=delimiter))
    print(f'{len(rows)} rows, delimiter {delimiter!r}')
    names = [name for name in (rows[0] if rows else []) if name is not None]
    return {'rows': len(rows), 'delimiter': delimiter, 'columns': {name: describe([row[name] for row in rows]) for name in names}}
