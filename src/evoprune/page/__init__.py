"""The report page: one HTML file that shows runs, and the same page served while a search goes on."""

from evoprune.page._data import page_data
from evoprune.page._render import MOST_BYTES, Policy, content_policy, render
from evoprune.page._server import PageServer
from evoprune.page._write import REPORT, write_page

__all__ = [
    "MOST_BYTES",
    "REPORT",
    "PageServer",
    "Policy",
    "content_policy",
    "page_data",
    "render",
    "write_page",
]
