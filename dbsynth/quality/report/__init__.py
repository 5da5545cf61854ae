"""The report: one HTML file, readable offline, with no script and nothing from elsewhere."""

from .page import render

__all__ = ["render"]
