"""Whether a synthetic database gives anybody away."""

from .summary import privacy

__all__ = ["privacy"]
