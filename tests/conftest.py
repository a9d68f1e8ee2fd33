"""Makes tests/harness.py importable everywhere below, says what is being tested and, for tools/test.py, how far it is."""

import os
import time

import harness


def pytest_report_header():
    state = "available" if harness.jit_available() else "NOT available: only determinism is checked"
    return f"jitpatch {state} in {harness.interpreter()}; modes {', '.join(harness.modes())}"


class HowFar:
    """Prints a line whenever so many seconds have passed."""

    def __init__(self, every, reporter):
        self.every, self.reporter = every, reporter
        self.start = self.last = time.monotonic()
        self.done = self.all = 0

    def pytest_collection_finish(self, session):
        self.all = len(session.items)

    def pytest_runtest_logfinish(self):
        self.done += 1
        now = time.monotonic()
        if now - self.last >= self.every:
            self.last = now
            failed = len(self.reporter.stats.get("failed", [])) + len(self.reporter.stats.get("error", []))
            self.reporter.write(f"\n[{self.done} of {self.all} tests after {now - self.start:.0f} s, {failed} failed]\n", flush=True)


def pytest_sessionstart(session):
    every = os.environ.get("JITPATCH_TEST_HOW_FAR")
    plugins = session.config.pluginmanager
    if every and plugins.has_plugin("terminalreporter"):
        plugins.register(HowFar(float(every), plugins.get_plugin("terminalreporter")))
