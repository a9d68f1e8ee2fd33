"""a log parser: regular expressions, dates, counters, percentiles"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from datetime import datetime

SIZE, TINY = 150000, 200

LINE = re.compile(r'(?P<host>\S+) \S+ (?P<user>\S+) \[(?P<time>[^\]]+)\] "(?P<request>[^"]*)" '
                  r'(?P<status>\d{3}) (?P<size>\d+|-) (?P<ms>[\d.]+)')
PATHS = ["/", "/login", "/static/app.js", "/api/items/{}", "/api/users/{}/orders", "/search?q={}", "/health"]
METHODS = ["GET", "GET", "GET", "POST", "PUT", "DELETE"]
STATUSES = ["200", "200", "200", "200", "304", "404", "500"]


class BadLine(ValueError):
    """A line that is none of the log's."""


class Entry:
    def __init__(self, found):
        self.host = found["host"]
        self.user = None if found["user"] == "-" else found["user"]
        self.time = datetime.fromisoformat(found["time"])
        self.method, self.path = self.split(found["request"])
        self.status = int(found["status"])
        self.size = 0 if found["size"] == "-" else int(found["size"])
        self.ms = float(found["ms"])

    @staticmethod
    def split(request):
        parts = request.split()
        if len(parts) != 3:
            raise BadLine(request)
        return parts[0], parts[1].partition("?")[0]

    @property
    def is_error(self):
        return self.status >= 400

    @property
    def route(self):
        return "/".join(":id" if part.isdigit() else part for part in self.path.split("/"))


def lines(count):
    """The same log each time: a linear congruential generator picks the parts."""
    state = 12345
    for index in range(count):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        pick = state >> 8
        path = PATHS[pick % len(PATHS)].format(pick % 977)
        user = f"user{pick % 89}" if pick % 3 else "-"
        if pick % 101 == 0:
            yield f"garbage {pick}"
            continue
        request = "-" if pick % 103 == 0 else f"{METHODS[pick % len(METHODS)]} {path} HTTP/1.1"
        yield (f'10.0.{pick % 7}.{pick % 251} - {user} [2026-01-{index % 28 + 1:02}T{pick % 24:02}:{pick % 60:02}:00] '
               f'"{request}" {STATUSES[pick % len(STATUSES)]} {pick % 5000 or "-"} {pick % 9000 / 10}')


def parse(line):
    found = LINE.fullmatch(line)
    if found is None:
        raise BadLine(line)
    return Entry(found)


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def main(folder: str, size: int) -> str:
    routes, hosts, users, days = defaultdict(list), Counter(), Counter(), Counter()
    errors, bad, total = defaultdict(int), 0, 0
    for line in lines(size):
        try:
            entry = parse(line)
        except BadLine:
            bad += 1
            continue
        routes[entry.method, entry.route].append(entry.ms)
        hosts[entry.host] += 1
        days[entry.time.date().isoformat()] += 1
        total += entry.size
        if entry.user is not None:
            users[entry.user] += 1
        if entry.is_error:
            errors[entry.status, entry.route] += 1
    report = [f"bad {bad} bytes {total}"]
    for key, values in sorted(routes.items()):
        report.append(f"{key}: {len(values)} {percentile(values, 0.5):.1f} {percentile(values, 0.95):.1f}")
    report += [f"{name} {count}" for names in (hosts, users, days) for name, count in names.most_common(5)]
    report += [f"{key} {count}" for key, count in sorted(errors.items())]
    return "\n".join(report)
