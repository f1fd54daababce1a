"""Writes the C table of the modules that go into python.wasm: python3.11 freeze.py LIB ZONES > frozen.h

LIB is the folder of Python's standard library. ZONES is a folder of compiled time zones, as `zic` writes it.
"""
import json
import marshal
import os
import sys
import zlib

MODULES = '''
__future__ _compat_pickle _compression _markupbase _strptime _weakrefset argparse ast base64 bisect calendar cmd colorsys
configparser contextlib contextvars copy copyreg csv dataclasses datetime decimal difflib dis enum filecmp fnmatch fractions
functools getopt gettext glob graphlib gzip hashlib heapq hmac inspect ipaddress keyword linecache locale mimetypes numbers
opcode operator pathlib pickle platform pprint queue quopri random reprlib sched secrets shlex shutil statistics string
stringprep struct textwrap threading timeit token tokenize traceback types typing uuid warnings weakref nturl2path zipfile
collections collections.abc html html.entities html.parser importlib importlib._abc importlib.util
json json.decoder json.encoder json.scanner
logging re re._casefix re._compiler re._constants re._parser tomllib tomllib._parser tomllib._re tomllib._types
urllib urllib.parse zoneinfo zoneinfo._common zoneinfo._zoneinfo
xml xml.etree xml.etree.ElementTree xml.etree.ElementPath xml.parsers xml.parsers.expat xml.sax
xml.sax.handler xml.sax._exceptions xml.sax.xmlreader xml.dom xml.dom.minidom xml.dom.expatbuilder xml.dom.domreg
xml.dom.minicompat xml.dom.xmlbuilder xml.dom.NodeFilter
email email._encoded_words email._header_value_parser email._parseaddr email._policybase email.base64mime email.charset
email.contentmanager email.encoders email.errors email.feedparser email.generator email.header email.headerregistry
email.iterators email.message email.parser email.policy email.quoprimime email.utils
encodings encodings.aliases encodings.ascii encodings.latin_1 encodings.utf_8 encodings.utf_8_sig encodings.utf_16
encodings.utf_16_le encodings.utf_16_be encodings.utf_32 encodings.utf_32_le encodings.utf_32_be encodings.utf_7
encodings.cp1252 encodings.cp1251 encodings.cp1250 encodings.cp437 encodings.cp850 encodings.iso8859_1 encodings.iso8859_2
encodings.iso8859_5 encodings.iso8859_15 encodings.koi8_r encodings.mac_roman encodings.idna encodings.punycode
encodings.raw_unicode_escape encodings.unicode_escape encodings.hex_codec encodings.base64_codec encodings.quopri_codec
encodings.rot_13 encodings.charmap
'''.split()


def main(library, zones):
    sources = {name: library_module(library, name) for name in MODULES}
    sources['zoneinfo._tzpath'] = (read('zones.py'), False)
    sources['_agent_boot'] = (read('boot.py'), False)
    sources['_agent_zones'] = (f'DATA = {zone_table(zones)!r}', False)
    entries = []
    for name, (text, is_package) in sources.items():
        code = marshal.dumps(compile(text, f'<frozen {name}>', 'exec', dont_inherit=True, optimize=2))
        symbol = 'm_' + name.replace('.', '__dot__')
        print(f'static unsigned char {symbol}[] = {{{",".join(map(str, code))}}};')
        entries.append(f'  {{"{name}", {symbol}, {len(code)}, {is_package:d}, 0}},')
    print('static struct _frozen frozen_modules[] = {', *entries, '  {0, 0, 0, 0, 0}', '};', sep='\n')


def library_module(library, name):
    """Returns the text of a module of the standard library, and whether it is a package."""
    path = os.path.join(library, *name.split('.'))
    is_package = os.path.isdir(path)
    text = read(path + '/__init__.py' if is_package else path + '.py')
    if name == 'email.utils':
        text = text.replace('import socket\n', '')  # only make_msgid needs it
    if name == 'zoneinfo._common':  # there are no files: see zones.py
        text = 'from zoneinfo._tzpath import load_tzdata\n' + text.replace('def load_tzdata(', 'def load_tzdata_package(')
    return text, is_package


def zone_table(folder):
    """Returns the compressed time zones: a line of JSON with the place of each, then their files one after the other."""
    places, files, offset = {}, {}, 0
    for path, _, names in sorted(os.walk(folder)):
        for name in sorted(names):
            with open(os.path.join(path, name), 'rb') as file:
                data = file.read()
            if data not in files:
                files[data] = offset
                offset += len(data)
            places[os.path.relpath(os.path.join(path, name), folder)] = [files[data], len(data)]
    return zlib.compress(json.dumps(places).encode() + b'\n' + b''.join(files), 9)


def read(path):
    with open(path, encoding='utf-8') as file:
        return file.read()


main(*sys.argv[1:])
