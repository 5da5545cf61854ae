"""What learns the rows: every engine has `fit`, which makes a model of an encoded database, and `generate`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from . import clava, graph
from .encoded import Edge, EncodedDatabase

__all__ = ["ENGINES", "OWN_SETTINGS", "EngineModel", "still_true"]

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


def still_true(model: EngineModel, database: EncodedDatabase, changed: Collection[str]) -> EngineModel | None:
    """What an earlier model holds that means the same in a database, to go on from; None: nothing.

    A table's rows are learned with those that it refers to and the labels of those that refer to it, near and far. The
    graph engine has one network for all tables.

    Args:
        changed: tables whose variables are others now, or in another order.
    """
    before = model.database
    changed = {*changed, *(t for t in database.tables if _keys_of(before, t) != _keys_of(database, t))}
    if isinstance(model, graph.GraphModel):
        return None if changed else model
    same = {table for table in database.tables if not changed & _line_of(database.edges, table)}
    edges = {edge.name for edge in before.edges if edge.child in same}
    return replace(
        model,
        latents={name: latent for name, latent in model.latents.items() if name in edges},
        denoisers={table: network for table, network in model.denoisers.items() if table in same},
        classifiers={name: network for name, network in model.classifiers.items() if name in edges},
    )


def _keys_of(database: EncodedDatabase, table: str) -> list[str]:
    return [edge.name for edge in (*database.edges_of(table), *database.edges_to(table))]


def _line_of(edges: Collection[Edge], table: str) -> set[str]:
    """The table, its ancestors and its descendants."""
    found = {table}
    for up in (True, False):
        line, waiting = {table}, [table]
        while waiting:
            name = waiting.pop()
            near = {e.parent for e in edges if e.child == name} if up else {e.child for e in edges if e.parent == name}
            waiting += near - line
            line |= near
        found |= line
    return found
