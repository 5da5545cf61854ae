"""What learns the rows: every engine has `fit`, which makes a model of an encoded database, and `generate`."""

from __future__ import annotations

from . import clava, graph

__all__ = ["ENGINES", "EngineModel"]

ENGINES = {"clava": clava, "graph": graph}

EngineModel = clava.ClavaModel | graph.GraphModel
