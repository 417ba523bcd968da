"""Sphinx builds these pages: `make docs`."""

from importlib.metadata import version as version_of

project = "graphene-sqlalchemy-c"
release = version = version_of(project)

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"{project} {release}"
highlight_language = "none"  # diagrams

myst_heading_anchors = 3

default_role = "code"  # of docstrings
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
