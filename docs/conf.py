"""Sphinx: pages in MyST Markdown, the API from docstrings, the commands from the program itself."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from evoprune import __version__

project = "evoprune"
author = "The evoprune developers"
project_copyright = "The evoprune developers, MIT licence"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "generated_pages"]
# A page called `search` would be Sphinx's own; `guided-search` shows that file.
exclude_patterns = ["_build", "_ext", "search.md"]

myst_heading_anchors = 3

# Types stay as short as in the source.
autodoc_typehints = "signature"
autodoc_type_aliases = {
    name: name for name in ("ArrayLike", "BoolArray", "ByteArray", "Float32Array", "FloatArray", "IntArray")
}
autodoc_member_order = "bysource"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"evoprune {version}"
html_static_path = ["_static"]
html_css_files = ["evoprune.css"]
html_show_sphinx = False
html_copy_source = False
