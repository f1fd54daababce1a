# Part of python.wasm, in the place of zoneinfo._tzpath: time zones come from a table in the binary, not from files.
import io
import json
import zlib

TZPATH = ()
_table = None


class InvalidTZPathWarning(RuntimeWarning):
    pass


def reset_tzpath(to=None):
    if to:
        raise ValueError('There are no files to read time zones from.')


def find_tzfile(key):
    return None


def available_timezones():
    return set(_zones()[0])


def load_tzdata(key):
    places, data = _zones()
    if key not in places:
        from zoneinfo._common import ZoneInfoNotFoundError

        raise ZoneInfoNotFoundError(f'No time zone found with key {key}')
    start, length = places[key]
    return io.BytesIO(data[start : start + length])


def _zones():
    global _table
    if _table is None:
        from _agent_zones import DATA

        places, _, data = zlib.decompress(DATA).partition(b'\n')
        _table = json.loads(places), data
    return _table
