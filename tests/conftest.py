"""Makes tests/harness.py importable everywhere below, and says what is being tested."""

import harness


def pytest_report_header():
    state = "available" if harness.jit_available() else "NOT available: only determinism is checked"
    return f"jitpatch {state} in {harness.interpreter()}; modes {', '.join(harness.modes())}"
