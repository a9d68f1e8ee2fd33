"""csv to dataclasses: conversion, checks, grouping, and JSON again"""

from __future__ import annotations

import csv
import enum
import io
import json
from collections import defaultdict
from dataclasses import asdict, dataclass, field, fields
from datetime import date
from decimal import Decimal

SIZE, TINY = 60000, 100


class Kind(enum.Enum):
    BOOK = "book"
    TOY = "toy"
    FOOD = "food"


@dataclass(frozen=True)
class Address:
    street: str
    town: str
    code: int

    def __post_init__(self):
        if not 0 < self.code < 100000:
            raise ValueError(f"no such code: {self.code}")


@dataclass(order=True)
class Order:
    number: int
    day: date
    kind: Kind = field(compare=False)
    price: Decimal
    count: int
    paid: bool
    note: str | None
    address: Address = field(compare=False)

    @property
    def total(self):
        return self.price * self.count


def truth(text):
    match text.lower():
        case "yes" | "true":
            return True
        case "no" | "false":
            return False
    raise ValueError(f"neither yes nor no: {text}")


CONVERT = {"int": int, "str": str, "date": date.fromisoformat, "Kind": Kind, "Decimal": Decimal, "bool": truth,
           "str | None": lambda text: text or None}


def from_row(row):
    address = Address(**{f.name: CONVERT[f.type](row[f.name]) for f in fields(Address)})
    values = {f.name: CONVERT[f.type](row[f.name]) for f in fields(Order) if f.name != "address"}
    return Order(**values, address=address)


def table(count):
    """The same rows each time, some of them wrong."""
    kinds = ["book", "toy", "food", "car"]
    for i in range(count):
        pick = i * 7919 % 100003
        yield {"number": i, "day": date(2026, pick % 12 + 1, pick % 28 + 1), "kind": kinds[min(pick % 40, 3) if pick % 40 < 3 else pick % 3],
               "price": f"{pick % 9000 / 100:.2f}", "count": pick % 9 + 1, "paid": "maybe" if pick % 97 == 0 else ("yes", "No")[pick & 1],
               "note": "fragile, \"this way up\"" if pick % 5 == 0 else "", "street": f"{pick % 200} High Street",
               "town": f"Town {pick % 60}", "code": pick}


def plain(value):
    if isinstance(value, (date, Decimal)):
        return str(value)
    return value.value


def main(folder: str, size: int) -> str:
    text = io.StringIO()
    rows = iter(table(size))
    first = next(rows)
    writer = csv.DictWriter(text, first)
    writer.writeheader()
    writer.writerow(first)
    writer.writerows(rows)
    text.seek(0)
    orders, wrong = [], defaultdict(int)
    for row in csv.DictReader(text):
        try:
            orders.append(from_row(row))
        except ValueError as error:
            wrong[str(error).partition(":")[0]] += 1
    groups = defaultdict(list)
    for order in sorted(orders, key=lambda order: (order.address.town, order)):
        groups[order.address.town, order.kind].append(order)
    report = [json.dumps(wrong, sort_keys=True)]
    for (town, kind), members in groups.items():
        total = sum((order.total for order in members if order.paid), Decimal())
        report.append(f"{town} {kind.name} {len(members)} {total} {max(members).number}")
    report += [json.dumps(asdict(order), default=plain) for order in orders[::5]]
    return "\n".join(report)
