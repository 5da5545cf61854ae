"""The verbs, for the command line and Python alike: from `inspect` to `refresh`.

This is where the two halves meet: adapters know databases and nothing of models, models know numbers and nothing of
SQL. `steps` holds what the verbs share.
"""

from ..plan import Plan
from ..quality.evaluation import Evaluation
from ..reports import FitReport, RefreshReport, Report, TableReport
from .cloning import clone, demo, fit, generate, inspect
from .completing import complete
from .evaluating import evaluate
from .outlook import Outlook
from .refreshing import new_run, plan, refresh
from .starting import init

__all__ = [
    "Evaluation",
    "FitReport",
    "Outlook",
    "Plan",
    "RefreshReport",
    "Report",
    "TableReport",
    "clone",
    "complete",
    "demo",
    "evaluate",
    "fit",
    "generate",
    "init",
    "inspect",
    "new_run",
    "plan",
    "refresh",
]
