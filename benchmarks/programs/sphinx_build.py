"""sphinx-build of a small tree: prose, tables, code, references, autodoc"""

from __future__ import annotations

import hashlib
import io
import shutil
import sys
from pathlib import Path

SIZE, TINY = 12, 1        # pages
NEEDS = ("sphinx",)

CONF = """
project = "generated"
extensions = ["sphinx.ext.autodoc"]
html_copy_source = False
html_last_updated_fmt = None
"""
PAGE = """.. _page-{n}:

Page {n}
========

.. index:: page; {n}

This is *page* **{n}**, with ``code``, a link to :ref:`the next <page-{other}>` and :func:`documented.function_{n}`.

{sections}

.. list-table::
   :header-rows: 1

   * - name
     - value
{rows}

.. automodule:: documented
   :members: function_{n}
   {noindex}
"""
SECTION = """
Section {k} of {n}
------------------

Some text about section {k}; see `there <https://example.org/{k}>`__ [#f{k}]_.

.. code-block:: python

   def section_{k}(value: int = {k}) -> str:
       '''Says {k}.'''
       return f"{{value}}" if value > {n} else [x for x in range({k})][0]

.. note::

   * one
   * two, with a nested list

     1. first
     2. second

.. [#f{k}] A footnote.
"""


def prepare(folder: str, size: int) -> None:
    source = Path(folder, "source")
    source.mkdir(exist_ok=True)
    (source / "conf.py").write_text(CONF)
    pages = "\n".join(f"   page{n}" for n in range(size))
    (source / "index.rst").write_text(f"Index\n=====\n\n.. toctree::\n\n{pages}\n")
    for n in range(size):
        sections = "\n".join(SECTION.format(k=k, n=n) for k in range(6))
        rows = "\n".join(f"   * - name {i}\n     - value *{i}*" for i in range(12))
        (source / f"page{n}.rst").write_text(PAGE.format(n=n, other=(n + 1) % size, sections=sections, rows=rows,
                                                         noindex=":no-index:" if n else ""))
    functions = [f'def function_{n}(a: int, b: str = "x") -> list[int]:\n    """Does {n}.\n\n    :param a: one\n    '
                 f':param b: two\n    """\n    return [a]\n' for n in range(size)]
    Path(folder, "documented.py").write_text('"""A module."""\n\n' + "\n\n".join(functions))


def main(folder: str, size: int) -> str:
    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    source, build = Path(folder, "source"), Path(folder, "build")
    shutil.rmtree(build, ignore_errors=True)
    sys.path.insert(0, folder)
    warnings = io.StringIO()
    with patch_docutils(str(source)), docutils_namespace():
        app = Sphinx(str(source), str(source), str(build), str(build / "doctrees"), "html", status=None, warning=warnings,
                     freshenv=True)
        app.build()
    sys.path.remove(folder)
    sys.modules.pop("documented", None)
    pages = sorted(build.glob("*.html"))
    return warnings.getvalue() + "\n".join(f"{page.name} {hashlib.sha256(page.read_bytes()).hexdigest()}" for page in pages)
