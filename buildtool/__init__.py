"""Build time: C templates in, tables of stencils out. The list of stages is in build.py."""
