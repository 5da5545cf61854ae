"""What takes minutes: classifiers that tell the two apart or predict columns, and who lies within whose support."""

from .detection import detect
from .efficacy import efficacy
from .support import support

__all__ = ["detect", "efficacy", "support"]
