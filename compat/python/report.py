"""One JSON line for each check: {client, check, ok, answer, detail, ms}.

An answer holds nothing that may differ between two right brokers (no ids, ports or times), so that
it can be compared.
"""

import json
import os
import sys
import threading
import time
import traceback


class Report:
    def __init__(self, client):
        self.client = client
        self.failed = False
        self.filter = os.environ.get("CHECK", "")
        self._lock = threading.Lock()
        self._notes = {}

    def wants(self, name):
        return self.filter in name

    def note(self, name, what):
        """Something that is told of a check beside its answer."""
        with self._lock:
            self._notes.setdefault(name, []).append(what)

    def line(self, name, ok, answer, detail, start):
        with self._lock:
            self.failed |= not ok
            detail = "; ".join(filter(None, [detail, *self._notes.get(name, [])])) or None
            line = {
                "client": self.client,
                "check": name,
                "ok": ok,
                "answer": answer,
                "detail": detail,
                "ms": int((time.monotonic() - start) * 1000),
            }
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()

    def run(self, name, check):
        """Runs a check that returns its answer."""
        start = time.monotonic()
        try:
            self.line(name, True, check(), None, start)
        except Exception as error:
            self.line(name, False, None, describe(error), start)

    async def run_async(self, name, check, limit_s=600):
        import asyncio

        start = time.monotonic()
        try:
            self.line(name, True, await asyncio.wait_for(check(), limit_s), None, start)
        except (Exception, asyncio.CancelledError) as error:
            self.line(name, False, None, describe(error), start)


def describe(error):
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "suite_" in f.filename]
    where = f" (line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{where}"


def require(condition, what):
    if not condition:
        raise AssertionError(what)


def require_equal(expected, actual, what):
    if expected != actual:
        raise AssertionError(f"{what}: expected {expected!r}, got {actual!r}")
