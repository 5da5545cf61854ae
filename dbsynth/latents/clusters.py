"""Relation-aware clustering: one latent label for each parent row and the group of children that refer to it.

ClavaDDPM, Section 4.3.1. The clusters are those of a Gaussian mixture with diagonal covariance on H = (X; λY), the
child rows beside their parents. Two ways lead to one label per parent row:

- `vote`, the paper's: a mixture over child rows, then the majority among the rows of a group.
- `group`, the default: a mixture over whole groups, whose likelihood is the paper's own Equation 10,
  Σ_c p(c) p(y, s | c) Π_i p(xⁱ | c). NOTE[DIFF]: the rows of a group share their label while the mixture is fitted, not
  only after; a label then says what kind of group it is, not what kind of row is commonest in it. The group's size s is
  one of the parent's features, so that labels also tell rich parents from poor ones.

Everywhere a label is an int64 in [0, n_clusters). Childless parents have the label after the last cluster's.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

__all__ = ["Clusters", "Mixture", "cluster_groups"]

Mixture = tuple[np.ndarray, ...]  # log π ``(k,)``, then means and variances ``(k, d)`` of each part

_ROWS_PER_CLUSTER = 8  # parents with children that a cluster needs to be learned from
_FIT_ROWS = 50_000  # child rows the mixture is fitted on; all rows are labelled
_MIN_VARIANCE = 1e-2  # of standardised features: no cluster shrinks to a point
_FEW_GROUPS = 5
_EM_STEPS = 25
_EM_STEPS_AGAIN = 5  # from a mixture that is there


@dataclass(frozen=True)
class Clusters:
    """The labels of one foreign key.

    Attributes:
        labels: int64 ``(n_parents,)``; ``n_clusters`` stands for a parent without children.
        n_clusters: the number of labels that parents with children have.
        agree_rate: mean share of a group's rows whose own best cluster is the group's (Appendix D.1).
        mixture: what the labels were drawn by, for a later clustering to go on from; empty where there is one label.
        goes_on: whether the labels are those of an earlier mixture.
    """

    labels: np.ndarray
    n_clusters: int
    agree_rate: float
    mixture: Mixture = ()
    goes_on: bool = False


def cluster_groups(
    x: np.ndarray,
    y: np.ndarray,
    parent_rows: np.ndarray,
    *,
    n_clusters: int,
    parent_scale: float,
    method: str,
    seed: int,
    earlier: Mixture = (),
) -> Clusters:
    """Label the parent rows of one foreign key.

    Args:
        x: child features, float ``(n_children, d_x)``, about standard normal.
        y: parent features, float ``(n_parents, d_y)``, likewise.
        parent_rows: int64 ``(n_children,)``, the parent of each child row, -1 for null.
        n_clusters: k; fewer where there are too few parents.
        parent_scale: λ.
        method: "group" or "vote".
        earlier: a mixture over the same features to go on from: its labels keep their numbers, and none is lost.
    """
    n_parents = len(y)
    child = np.flatnonzero(parent_rows >= 0)
    order = child[np.argsort(parent_rows[child], kind="stable")]
    parents, starts, sizes = np.unique(parent_rows[order], return_index=True, return_counts=True)
    k = int(max(1, min(n_clusters, len(parents) // _ROWS_PER_CLUSTER)))
    if len(parents) == 0 or k == 1:
        labels = np.ones(n_parents, dtype=np.int64)
        labels[parents] = 0
        return Clusters(labels, 1, 1.0)
    groups = _Groups(x[order].astype(np.float64), y[parents].astype(np.float64) * parent_scale, starts, sizes)
    cluster = _vote if method == "vote" else _mixture_of_groups
    if not _goes_on(groups, method, earlier):
        earlier = ()
    of_group, of_row, mixture = cluster(groups, k, np.random.default_rng(seed), earlier)
    if earlier:
        used = np.arange(len(earlier[0]))
    else:
        used, of_group = np.unique(of_group, return_inverse=True)  # clusters that won no group are gone
    labels = np.full(n_parents, len(used), dtype=np.int64)
    labels[parents] = of_group
    agree = np.add.reduceat(of_row == np.repeat(used[of_group], sizes), starts) / sizes
    counts = np.bincount(of_group, minlength=len(used))
    mixture = _of_many(tuple(part[used] for part in mixture), counts)
    return Clusters(labels, len(used), float(agree.mean()), mixture, bool(earlier))


def _of_many(mixture: Mixture, counts: np.ndarray) -> Mixture:
    """The mixture with the components of few groups, which could be known by their means, made like all of them."""
    few = counts < _FEW_GROUPS
    if not few.any():
        return mixture
    log_pi, *parts = mixture
    shares = np.exp(log_pi) / np.exp(log_pi).sum()
    return log_pi, *(np.where(few[:, None], shares @ part, part) for part in parts)


def _goes_on(groups: _Groups, method: str, earlier: Mixture) -> bool:
    """Whether the mixture is one over these features."""
    widths = [groups.x.shape[1], groups.y.shape[1] + 1] if method == "group" else [
        groups.x.shape[1] + groups.y.shape[1]
    ]  # fmt: skip
    return bool(earlier) and len(earlier[0]) <= len(groups.x) and [mean.shape[1] for mean in earlier[1::2]] == widths


@dataclass(frozen=True)
class _Groups:
    """Child rows sorted by parent, and the parents that have any."""

    x: np.ndarray
    y: np.ndarray
    starts: np.ndarray
    sizes: np.ndarray

    def subset(self, chosen: np.ndarray) -> _Groups:
        starts, sizes = self.starts[chosen], self.sizes[chosen]
        rows = np.concatenate([np.arange(s, s + n) for s, n in zip(starts, sizes, strict=True)])
        return _Groups(self.x[rows], self.y[chosen], np.r_[0, np.cumsum(sizes)[:-1]], sizes)


def _vote(
    groups: _Groups, k: int, rng: np.random.Generator, earlier: Mixture
) -> tuple[np.ndarray, np.ndarray, Mixture]:
    """The paper's clusters: each row's component, and the majority's in each group (ties: the lowest)."""
    h = np.concatenate([groups.x, np.repeat(groups.y, groups.sizes, axis=0)], axis=1)
    if h.shape[1] == 0:  # nothing tells the rows apart
        return np.zeros(len(groups.y), dtype=np.int64), np.zeros(len(h), dtype=np.int64), ()
    sample = h[rng.choice(len(h), _FIT_ROWS, replace=False)] if len(h) > _FIT_ROWS else h
    begin = {}
    if earlier:
        log_pi, means, variances = earlier
        k, shares = len(log_pi), np.exp(log_pi)
        begin = {"weights_init": shares / shares.sum(), "means_init": means, "precisions_init": 1 / variances}
    mixture = GaussianMixture(
        k, covariance_type="diag", init_params="k-means++", reg_covar=1e-3, random_state=int(rng.integers(2**31)),
        **begin,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different rows than labels leave labels unused
        mixture.fit(sample)
    of_row = mixture.predict(h)
    group = np.repeat(np.arange(len(groups.y)), groups.sizes)
    votes = np.zeros((len(groups.y), k), dtype=np.int32)
    np.add.at(votes, (group, of_row), 1)
    return votes.argmax(axis=1), of_row, (np.log(mixture.weights_ + 1e-12), mixture.means_, mixture.covariances_)


def _mixture_of_groups(
    groups: _Groups, k: int, rng: np.random.Generator, earlier: Mixture
) -> tuple[np.ndarray, np.ndarray, Mixture]:
    """Expectation-maximisation over groups: the label of each group, and each row's own best component."""
    sample = groups
    if len(groups.x) > _FIT_ROWS:
        order = rng.permutation(len(groups.y))
        enough = int(np.searchsorted(np.cumsum(groups.sizes[order]), _FIT_ROWS)) + 1
        sample = groups.subset(np.sort(order[: max(enough, k * _ROWS_PER_CLUSTER)]))
    size_scale = _size_feature(sample.sizes)
    if earlier:
        weights = _responsibilities(_log_likelihood(sample, size_scale(sample.sizes), earlier)[0])
    else:
        weights = _start(sample, size_scale(sample.sizes), k, rng)
    for _ in range(_EM_STEPS_AGAIN if earlier else _EM_STEPS):
        mixture = _maximise(sample, size_scale(sample.sizes), weights)
        weights = _responsibilities(_log_likelihood(sample, size_scale(sample.sizes), mixture)[0])
    mixture = _maximise(sample, size_scale(sample.sizes), weights)
    of_group, of_row = _log_likelihood(groups, size_scale(groups.sizes), mixture)
    return of_group.argmax(axis=1), of_row.argmax(axis=1), mixture


def _size_feature(sizes: np.ndarray):
    """A map from group sizes to a standardised feature, log(1 + s)."""
    logs = np.log1p(sizes)
    mean, std = logs.mean(), max(float(logs.std()), 1e-3)
    return lambda s: ((np.log1p(s) - mean) / std)[:, None]


def _start(groups: _Groups, s: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """First responsibilities ``(n_groups, k)``: k-means on each group's means, parent and size."""
    means = np.add.reduceat(groups.x, groups.starts, axis=0) / groups.sizes[:, None]
    h = np.concatenate([means, groups.y, s], axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different groups than labels leave labels unused
        labels = KMeans(k, n_init=1, max_iter=30, random_state=int(rng.integers(2**31))).fit(h).labels_
    return np.eye(k)[labels]


def _maximise(groups: _Groups, s: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, ...]:
    """M-step: log π ``(k,)``; mean and variance of the rows ``(k, d_x)``; of the parents with size ``(k, d_y + 1)``."""
    y = np.concatenate([groups.y, s], axis=1)
    rows = np.repeat(weights, groups.sizes, axis=0)
    log_pi = np.log((weights.sum(0) + 1e-9) / (len(weights) + 1e-9 * weights.shape[1]))
    result = [log_pi]
    for values, w in ((groups.x, rows), (y, weights)):
        total = w.sum(0)[:, None] + 1e-9
        mean = w.T @ values / total
        variance = np.maximum(w.T @ values**2 / total - mean**2, _MIN_VARIANCE)
        result += [mean, variance]
    return tuple(result)


def _log_likelihood(groups: _Groups, s: np.ndarray, mixture: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray]:
    """log p(c, y, s, g) ``(n_groups, k)`` and log p(c, x) ``(n_rows, k)``."""
    log_pi, mean_x, variance_x, mean_y, variance_y = mixture
    of_rows = _log_normal(groups.x, mean_x, variance_x)
    of_parents = _log_normal(np.concatenate([groups.y, s], axis=1), mean_y, variance_y)
    return log_pi + of_parents + np.add.reduceat(of_rows, groups.starts, axis=0), log_pi + of_rows


def _log_normal(values: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """log N(value; mean, diag(variance)) ``(n, k)``, but for a constant."""
    precision = 1 / variance
    return -0.5 * (
        values**2 @ precision.T - 2 * values @ (mean * precision).T + (mean**2 * precision + np.log(variance)).sum(1)
    )


def _responsibilities(log_joint: np.ndarray) -> np.ndarray:
    return np.exp(log_joint - logsumexp(log_joint, axis=1, keepdims=True))
