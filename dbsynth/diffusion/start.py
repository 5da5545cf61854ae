"""Where training starts: from nothing, from the weights of an earlier network, or where a run that died had come to.

What a run has finished is kept in a private folder, each network under a hash of all that it was trained on, so that
the next run takes it up if nothing has changed. The folder goes when the run has what it wanted.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

__all__ = ["NOTHING", "Start", "hash_of"]


@dataclass(frozen=True)
class Start:
    """What is there already.

    Attributes:
        networks: earlier ones by name, on rows that mean the same.
        folder: where finished ones are kept until all are; None: nowhere.
    """

    networks: Mapping[str, nn.Module] = field(default_factory=dict)
    folder: Path | None = None

    def begin(self, name: str, network: nn.Module) -> bool:
        """Give the network the weights of the earlier one of that name; whether that had all of them, in shape."""
        if name not in self.networks:
            return False
        ours, theirs = network.state_dict(), self.networks[name].state_dict()
        alike = {key: weights for key, weights in theirs.items() if key in ours and ours[key].shape == weights.shape}
        network.load_state_dict(alike, strict=False)
        return alike.keys() == ours.keys()

    def finished(self, name: str, data: str) -> dict[str, Tensor] | None:
        """The weights of the network of that name, if a run has finished it on this very data."""
        path = self._path(name)
        if path is None or not path.is_file():
            return None
        try:
            with safe_open(path, framework="pt") as file:
                if (file.metadata() or {}).get("data") == data:
                    return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (no mapping)
        except (OSError, SafetensorError):  # cut short: the run died while it wrote
            return None
        return None

    def keep(self, name: str, data: str, network: nn.Module) -> None:
        """Keep what has been finished; a disk that has no room for it is no reason to stop."""
        path = self._path(name)
        if path is not None:
            with suppress(OSError, SafetensorError):
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                state = {key: weights.cpu().contiguous() for key, weights in network.state_dict().items()}
                save_file(state, path.with_suffix(".part"), {"data": data})
                os.replace(path.with_suffix(".part"), path)

    def _path(self, name: str) -> Path | None:
        if self.folder is None:
            return None
        return self.folder / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.safetensors"


NOTHING = Start()


def hash_of(words: str, arrays: Iterable[np.ndarray | Tensor]) -> str:
    """A hash of settings and data."""
    digest = hashlib.sha256(words.encode())
    for array in arrays:
        array = np.ascontiguousarray(array.cpu().numpy() if isinstance(array, Tensor) else array)
        digest.update(f"{array.shape}{array.dtype}".encode())
        digest.update(array.data)
    return digest.hexdigest()
