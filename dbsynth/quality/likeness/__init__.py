"""How like the real database a synthetic one is: columns, pairs, keys and groups, beside what a second draw scores."""

from .measures import Measures, measure

__all__ = ["Measures", "measure"]
