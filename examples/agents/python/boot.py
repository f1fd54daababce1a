# Part of python.wasm. `load` runs once, when an agent is bundled; `run` runs for each task, in the memory that `load` left.
import _imp
import ast
import gc
import json
import linecache
import sys
import traceback
import types
from importlib.machinery import ModuleSpec

script = None  # the agent's module
program = None  # the code of a script without `agent`: it reads standard input and writes standard output itself
files = {}  # the other modules that were bundled, by name

# Library modules that C code imports by itself, by a name that leads there.
IMPORTED_BY_C = {'strptime': ['_strptime'], 'zoneinfo': ['zoneinfo._common', 'zoneinfo._tzpath', 'weakref'],
                 'ElementTree': ['xml.etree.ElementPath', 'copy'], 'pickle': ['_compat_pickle', 'copyreg']}
# Opcodes of Python 3.11, from its opcode.py.
IMPORT_NAME, IMPORT_FROM, EXTENDED_ARG = 108, 109, 144
# A script that uses one of these names may import anything.
IMPORT_BY_NAME = {'__import__', 'import_module', 'find_spec', 'exec', 'eval'}
# Calls whose answer at the top level is the same for every task.
FIXED_AT_BUNDLING = ('time.time', 'time.time_ns', 'datetime.now', 'datetime.utcnow', 'datetime.today', 'date.today',
                     'uuid.uuid1', 'uuid.uuid4', 'os.urandom', 'os.getenv', 'os.environ.get', 'secrets.token_hex',
                     'secrets.token_bytes', 'secrets.token_urlsafe', 'random.random', 'random.randint', 'random.choice')


def load(document):
    """Compiles the script. One that defines `agent` also runs: its imports and tables become part of the binary.

    Returns the names of the library modules that tasks may still import, or None after a failure, whose traceback
    stands on standard error.
    """
    global script, program
    document = json.loads(document)
    name, text = document['name'], document['source']
    files.update(document['modules'])
    sys.meta_path.append(Files)
    sys.argv = [name]
    try:
        tree, code = compiled(text, name)
        is_agent = any(defines_agent(statement) for statement in tree.body)
        script = types.ModuleType('agent' if is_agent else '__main__')
        script.__file__ = name
        sys.modules[script.__name__] = script
        if is_agent:
            sys.stdout = sys.stderr  # print writes to the log; only the result goes to standard output
            exec(code, script.__dict__)
            if not callable(script.__dict__.get('agent')):
                raise TypeError('"agent" must be a function')
        else:
            program = code
            for module in imports(tree):
                __import__(module)
        warn(name, tree, is_agent)
        codes = [code]
        for file in files.values():
            tree, code = compiled(file['source'], file['name'])
            warn(file['name'], tree, True)
            codes.append(code)
        needed = reachable(codes, document['keep_all'])
    except BaseException as error:
        report(error)
        return None
    if 'random' in sys.modules:
        sys.modules['random'].seed(0)  # the same script makes the same binary; `run` seeds it anew
    linecache.checkcache = lambda filename=None: None  # there is no file to compare a line with
    sys.stdout.flush()
    sys.stderr.flush()
    gc.collect()
    gc.freeze()
    return needed


def compiled(text, name):
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    try:
        tree = ast.parse(text, name)
        return tree, compile(text, name, 'exec', dont_inherit=True)
    except SyntaxError as error:
        if error.text is None and error.lineno:
            error.text = linecache.getline(name, error.lineno)
        raise


def defines_agent(statement):
    match statement:
        case ast.FunctionDef(name='agent') | ast.AsyncFunctionDef(name='agent'):
            return True
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return any((alias.asname or alias.name) == 'agent' for alias in names)
        case ast.Assign(targets=targets):
            return any(isinstance(target, ast.Name) and target.id == 'agent' for target in targets)
    return False


def imports(tree):
    for statement in tree.body:
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
            yield statement.module


def warn(name, tree, runs_at_bundling):
    """Prints what will surprise the author in a task: missing modules, and values that are fixed at bundling."""
    within = [(statement, True) for statement in tree.body]
    while within:
        node, top = within.pop(0)
        missing = [module for module in imports(ast.Module([node], [])) if not exists(module)]
        if missing and not top:
            print(f'{name}:{node.lineno}: warning: {missing[0]} is not in this runtime; the import will fail.', file=sys.stderr)
        if top and runs_at_bundling and isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if any(called == fixed or called.endswith('.' + fixed) for fixed in FIXED_AT_BUNDLING):
                print(f'{name}:{node.lineno}: warning: {called}() runs at bundling; each task sees that value.', file=sys.stderr)
        top = top and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.Try)
        within.extend((child, top) for child in ast.iter_child_nodes(node))


def exists(module):
    return module in sys.modules or module in files or _imp.is_builtin(module) or _imp.is_frozen(module)


def reachable(codes, keep_all):
    """Returns the names of library modules that these codes may import later, directly or through another module."""
    library = {name for name in _imp._frozen_module_names() if not name.startswith('_agent_boot')}
    wanted = {name for name in library if name.startswith('encodings')}
    if keep_all or any(IMPORT_BY_NAME & names_in(code) for code in codes):
        wanted = library
    found, left = set(), []
    for code in codes:
        left.extend(mentioned(code, '', library))
        left.extend(module for name in names_in(code) for module in IMPORTED_BY_C.get(name, []))
    left.extend(wanted)
    left.extend(name for name in sys.modules if name in library)
    while left:
        name = left.pop()
        if name in found:
            continue
        found.add(name)
        left.extend(module for part in name.split('.') for module in IMPORTED_BY_C.get(part, []))
        package = name if _imp.is_frozen_package(name) else name.rpartition('.')[0]
        left.extend(mentioned(_imp.get_frozen_object(name), package, library))
    return found - set(sys.modules)


def names_in(code):
    nested = (names_in(constant) for constant in code.co_consts if isinstance(constant, types.CodeType))
    return set(code.co_names).union(*nested)


def mentioned(code, package, library):
    """Returns the library modules that the code's import statements name, absolute or relative to its package."""
    names, attributes = set(), set()
    for instruction, name in import_instructions(code):
        (names if instruction == IMPORT_NAME else attributes).add(name)
    names |= {f'{package}.{name}'.rstrip('.') for name in names if package}
    names |= {f'{name}.{attribute}' for name in names | {package} for attribute in attributes}
    parents = {name.rpartition('.')[0] for name in names}
    return (names | parents) & library


def import_instructions(code):
    """Yields the opcode and the name of each import instruction, also of nested functions and classes."""
    argument = 0
    for i in range(0, len(code.co_code), 2):
        instruction, low = code.co_code[i : i + 2]
        argument |= low
        if instruction in (IMPORT_NAME, IMPORT_FROM):
            yield instruction, code.co_names[argument]
        argument = argument << 8 if instruction == EXTENDED_ARG else 0
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from import_instructions(constant)


class Files:
    """Finds and loads the modules that were bundled with the script."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in files:
            file = files[name]
            return ModuleSpec(name, Files, origin=file['name'], is_package=file['package'])

    @staticmethod
    def create_module(spec):
        return None

    @staticmethod
    def exec_module(module):
        file = files[module.__name__]
        module.__file__ = file['name']
        exec(compiled(file['source'], file['name'])[1], module.__dict__)


def report(error):
    """Prints the traceback, without the frames of this file."""
    trace = error.__traceback__
    while trace and trace.tb_frame.f_code.co_filename in (load.__code__.co_filename, ast.parse.__code__.co_filename):
        trace = trace.tb_next
    traceback.print_exception(type(error), error, trace)
    sys.stderr.flush()


def run():
    """Handles one task. Returns the exit code: 0 for a result, 65 for input that the agent refuses, 1 for an error."""
    if 'random' in sys.modules:
        sys.modules['random'].seed()
    try:
        if program:
            exec(program, script.__dict__)
        else:
            output = written(answer(json.loads(sys.stdin.buffer.read())))
            sys.stderr.flush()
            sys.__stdout__.buffer.write(output)
        sys.__stdout__.flush()
        return 0
    except SystemExit as exit:
        sys.__stdout__.flush()
        sys.stderr.flush()
        return exit_code(exit.code)
    except BaseException as error:
        report(error)
        return 1


def exit_code(code):
    if program and code in (None, 0):
        return 0
    if isinstance(code, int) and 0 < code < 126:
        return code
    print('The agent called sys.exit instead of returning a result.' if code in (None, 0) else code, file=sys.stderr)
    return 1


def answer(task):
    result = script.agent(task)
    if isinstance(result, types.CoroutineType):
        try:
            result.send(None)
        except StopIteration as stop:
            return stop.value
        raise RuntimeError('"agent" awaits something, and there is no event loop')
    return result


def written(result):
    try:
        return json.dumps(result, ensure_ascii=False, allow_nan=False, separators=(',', ':')).encode()
    except (TypeError, ValueError, RecursionError) as error:
        error.add_note('The value that "agent" returned cannot be written as JSON.')
        raise
