"""The verbs, for the command line and Python alike: inspect, fit, generate, clone, complete, evaluate, demo.

This is where the two halves meet: adapters know databases and nothing of models, models know numbers and nothing of
SQL. `steps` holds what the verbs share.
"""

from ..plan import Plan
from ..quality.evaluation import Evaluation
from ..reports import FitReport, Report, TableReport
from .cloning import clone, demo, fit, generate, inspect
from .completing import complete
from .evaluating import evaluate

__all__ = [
    "Evaluation",
    "FitReport",
    "Plan",
    "Report",
    "TableReport",
    "clone",
    "complete",
    "demo",
    "evaluate",
    "fit",
    "generate",
    "inspect",
]
