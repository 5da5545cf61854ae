"""What learns the rows: every engine has `fit`, which makes a model of an encoded database, and `generate`."""

from __future__ import annotations

from . import clava, graph

__all__ = ["ENGINES", "OWN_SETTINGS", "EngineModel"]

ENGINES = {"clava": clava, "graph": graph}

# The settings that only one of them heeds.
OWN_SETTINGS = {
    "clava": frozenset({
        "guidance", "guidance_scale", "ancestors", "group_sizes", "matching", "meeting", "held_back",
        "classifier_layers", "classifier_iterations", "classifier_learning_rate",
    }),
    "graph": frozenset({"structure", "fan_out", "width", "epochs"}),
}  # fmt: skip

EngineModel = clava.ClavaModel | graph.GraphModel
