"""Prints everything that happens to your tasks and agents, one JSON line an event, and never misses one: over
server-sent events, with nothing but Python's standard library.

    API_KEY=zsk_… python3 subscriber.py http://localhost:8080 [seq of the last event you have]

Without a seq it begins with the oldest that is kept. The key needs the scope tasks:read.
Resuming is one header: Last-Event-ID says after which event to go on.
"""

import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.request

RETRY_SECONDS = 1


def follow(url, last_seq):
    """Yields events for ever, over as many connections as it takes."""
    while True:
        headers = {"Accept": "text/event-stream", "X-API-Key": os.environ["API_KEY"], "Last-Event-ID": str(last_seq)}
        try:
            # The server writes a comment every 15 s: a connection that is silent for longer is dead.
            with urllib.request.urlopen(urllib.request.Request(f"{url}/api/v1/events", headers=headers), timeout=45) as stream:
                for line in stream:
                    # A line without an end was cut off with its connection.
                    if line.startswith(b"data: ") and line.endswith(b"\n"):
                        event = json.loads(line[6:])
                        if "seq" not in event:  # "gap": older events are gone; "closing": why the stream ends
                            print(json.dumps(event), file=sys.stderr)
                            continue
                        last_seq = event["seq"]
                        yield event
        except urllib.error.HTTPError as refusal:
            if refusal.code < 500 and refusal.code != 429:
                sys.exit(f"{refusal.code}: {refusal.read().decode()}")
        except (OSError, http.client.HTTPException):
            pass  # The server is away, or the connection broke.
        time.sleep(RETRY_SECONDS)


if __name__ == "__main__":
    address = sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8080"
    after = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    for happened in follow(address, after):
        print(json.dumps(happened), flush=True)
