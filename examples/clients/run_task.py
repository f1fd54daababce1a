"""Submits a task, shows what happens to it, and prints its result, with nothing but Python's standard library.

    API_KEY=zsk_… python3 run_task.py http://localhost:8080 summarise 0.5 '{"text": "To be or not to be."}'

The key needs the scopes tasks:read and tasks:write.
"""

import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid

TRIES = 5
ENDED = {"completed", "failed", "cancelled"}


class Refused(Exception):
    """The server refused a request. `code` is stable: programs switch on it."""

    def __init__(self, problem):
        super().__init__(problem.get("detail", ""))
        self.code = problem.get("code", "UNKNOWN")


class Client:
    def __init__(self, url, key):
        self.base = f"{url.rstrip('/')}/api/v1"
        self.key = key

    def open(self, method, path, body=None, headers=None, timeout=60):
        """Sends a request once. Raises Refused, or OSError when no answer comes."""
        headers = {"Authorization": f"Bearer {self.key}", **(headers or {})}
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, body, headers, method=method)
        return urllib.request.urlopen(request, timeout=timeout)

    def call(self, method, path, body=None, headers=None):
        """Sends a request that is safe to repeat, again after passing faults. Returns the parsed answer."""
        for attempt in range(1, TRIES + 1):
            wait = 0.25 * 2**attempt
            try:
                with self.open(method, path, body, headers) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as refusal:
                if refusal.code not in (429, 502, 503, 504) or attempt == TRIES:
                    raise Refused(problem_of(refusal)) from None
                wait = max(wait, seconds_of(refusal.headers.get("Retry-After")))
            except (OSError, http.client.HTTPException):
                if attempt == TRIES:
                    raise
            time.sleep(wait)

    def submit(self, task):
        """Stores a task once, however often the request must be sent. Returns the task."""
        return self.call("POST", "/tasks", task, {"Idempotency-Key": str(uuid.uuid4())})

    def events(self, task_id):
        """Yields the events of a task in order, each once, until it ends. Resumes after broken connections."""
        last_seq = 0
        while True:
            headers = {"Accept": "text/event-stream", "Last-Event-ID": str(last_seq)}
            try:
                # The server writes a comment every 15 s: a connection that is silent for longer is dead.
                with self.open("GET", f"/tasks/{task_id}/events", headers=headers, timeout=45) as stream:
                    if stream.status == 204:
                        return
                    for line in stream:
                        # A line without an end was cut off with its connection.
                        if line.startswith(b"data: ") and line.endswith(b"\n"):
                            event = json.loads(line[6:])
                            if "seq" in event:  # others say why the stream ends
                                last_seq = event["seq"]
                                yield event
            except urllib.error.HTTPError as refusal:
                if refusal.code < 500 and refusal.code != 429:
                    raise Refused(problem_of(refusal)) from None
            except (OSError, http.client.HTTPException):
                pass  # The server is away, or the connection broke.
            time.sleep(0.25)


def problem_of(refusal):
    try:
        return json.load(refusal)
    except ValueError:  # a proxy's page
        return {"detail": f"The server answered {refusal.code}."}


def seconds_of(retry_after):
    return float(retry_after) if retry_after and retry_after.isdigit() else 0


def main(url, capability, budget, document):
    client = Client(url, os.environ["API_KEY"])
    task = client.submit({"required_capabilities": [capability], "budget": budget, "input": json.loads(document)})
    for event in client.events(task["id"]):
        print(event["seq"], event["type"], file=sys.stderr, flush=True)
        if event["type"] in {f"task.{status}" for status in ENDED}:
            break
    task = client.call("GET", f"/tasks/{task['id']}")
    if task["status"] != "completed":
        error = task["error"] or {"code": task["status"].upper(), "message": ""}
        sys.exit(f"{error['code']}: {error['message']}")
    print(json.dumps(task["result"]))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:5])
    except Refused as refused:
        sys.exit(f"{refused.code}: {refused}")
