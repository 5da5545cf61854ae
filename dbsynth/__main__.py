"""`python -m dbsynth` is `dbsynth`."""

from .cli import main

main()
