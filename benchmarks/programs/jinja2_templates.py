"""jinja2 templates: inheritance, macros, filters, compiled and rendered"""

from __future__ import annotations

SIZE, TINY = 1000, 2       # pages
NEEDS = ("jinja2",)

TEMPLATES = {
    "base.html": """<!doctype html><title>{% block title %}{% endblock %}</title>
{% include "menu.html" %}
<main>{% block body %}{% endblock %}</main><footer>{{ site.name|upper }} {{ site.year }}</footer>""",
    "menu.html": """<nav>{% for label, link in site.menu %}
<a href="{{ link|e }}"{% if link == here %} class="here"{% endif %}>{{ loop.index }}. {{ label|title }}</a>{% endfor %}</nav>""",
    "macros.html": """{% macro cell(value, kind="td") %}<{{ kind }}>{{ value if value is not none else "-" }}</{{ kind }}>{% endmacro %}
{% macro price(amount) %}{{ "%.2f"|format(amount / 100) }}{% endmacro %}""",
    "page.html": """{% extends "base.html" %}{% from "macros.html" import cell, price %}
{% block title %}{{ title|replace("_", " ")|capitalize }}{% endblock %}
{% block body %}<table>{% for row in rows if row.visible %}
<tr class="{{ loop.cycle("odd", "even") }}">{{ cell(row.name|truncate(12), "th") }}{{ cell(price(row.amount)) }}
{% for tag in row.tags|sort|unique %}<i>{{ tag }}</i>{% else %}none{% endfor %}{{ cell(row.note) }}</tr>{% endfor %}</table>
{% set total = rows|map(attribute="amount")|sum %}<p>{{ rows|length }} rows, {{ price(total) }}</p>
{% for group in rows|groupby("kind") %}<h2>{{ group.grouper }}</h2>{{ group.list|map(attribute="name")|join(", ") }}{% endfor %}
{% endblock %}""",
}


class Row:
    def __init__(self, number):
        self.name = f"row <{number}> of many"
        self.amount = number * 37 % 1000
        self.kind = ("small", "middle", "large")[number % 3]
        self.tags = [f"tag{number * step % 11}" for step in range(number % 6)]
        self.note = None if number % 4 else f"note & {number}"

    @property
    def visible(self):
        return self.amount % 13 != 0


def main(folder: str, size: int) -> str:
    import jinja2

    environment = jinja2.Environment(loader=jinja2.DictLoader(TEMPLATES), autoescape=True)
    environment.globals["site"] = {"name": "a site", "year": 2026,
                                   "menu": [(f"entry {i}", f"/p/{i}?a=1&b=2") for i in range(8)]}
    pages = []
    for number in range(size):
        rows = [Row(number * 3 + i) for i in range(25)]
        pages.append(environment.get_template("page.html").render(title=f"page_{number}", here=f"/p/{number % 8}?a=1&b=2", rows=rows))
    return "".join(pages)
