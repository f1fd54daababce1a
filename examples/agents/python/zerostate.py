"""Calls of the host. Each waits for its answer and returns it, or raises CallError.

The bundler adds this module to an agent that mentions it. It needs the file face of host calls alone: `/zerostate`.
"""
import json
import os


class CallError(Exception):
    """The host refused a call, or the call failed. `code` is stable, such as HOST_NOT_ALLOWED."""

    def __init__(self, code, message):
        super().__init__(f'{code}: {message}')
        self.code = code
        self.message = message


def call(method, request):
    """Calls a method of the host with a request and returns its answer, both as the json module knows them."""
    try:
        file = os.open(f'/zerostate/{method}', os.O_RDWR)
    except OSError:
        raise CallError('NOT_PERMITTED', f'This run may not call {method}: its permissions do not name it.') from None
    try:
        unsent = json.dumps(request).encode()
        while unsent:
            unsent = unsent[os.write(file, unsent):]
        pieces = []
        while piece := os.read(file, 1 << 16):
            pieces.append(piece)
    finally:
        os.close(file)
    answer = json.loads(b''.join(pieces))
    if 'error' in answer:
        raise CallError(answer['error']['code'], answer['error']['message'])
    return answer


def fetch(url, **options):
    """http.fetch; options: method, headers, body, body_base64."""
    return call('http.fetch', {'url': url, **options})


def emit(data, **options):
    """output.emit: a partial result or progress; options: final."""
    return call('output.emit', {'data': data, **options})


def ask(question, **options):
    """input.ask: asks the submitter and returns the answer; options: schema, timeout_ms."""
    return call('input.ask', {'question': question, **options})['answer']


def submit(required_capabilities, budget, input, **options):
    """task.submit: a sub-task for another agent; returns its id. Options: max_host_cost, allow, deadline and so on."""
    task = {'required_capabilities': required_capabilities, 'budget': budget, 'input': input, **options}
    return call('task.submit', task)['id']


def wait(id, **options):
    """task.wait: waits for the end of a sub-task and returns how it stands; options: timeout_ms."""
    return call('task.wait', {'id': id, **options})


class llm:
    @staticmethod
    def chat(model, messages, **options):
        """Options: max_tokens, temperature, response_schema."""
        return call('llm.chat', {'model': model, 'messages': messages, **options})

    @staticmethod
    def embed(model, input):
        return call('llm.embed', {'model': model, 'input': input})


class kv:
    @staticmethod
    def get(key):
        return call('kv.get', {'key': key})

    @staticmethod
    def put(key, value, **options):
        """Options: if_revision, ttl_s."""
        return call('kv.put', {'key': key, 'value': value, **options})

    @staticmethod
    def delete(key):
        return call('kv.delete', {'key': key})

    @staticmethod
    def list(**options):
        """Options: prefix, limit, cursor."""
        return call('kv.list', options)
