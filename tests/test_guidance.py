"""Classifier guidance: labels steer rows to their component of a mixture, no guidance leaves them where they were."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from dbsynth.clava.guidance import classifier_loss, label_gradient
from dbsynth.diffusion import ContinuousNoise, DiscreteNoise, Noise
from dbsynth.diffusion.networks import Classifier

MEAN, STD = 1.0, 0.2  # two components at ±MEAN


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small tensors are faster on one core."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Mixture:
    """The exact denoiser and the exact classifier of ½ N(-1, s²) + ½ N(1, s²) under either noise."""

    def __init__(self, noise: Noise) -> None:
        self.noise = noise

    def scales(self, level: Tensor) -> tuple[Tensor, Tensor]:
        """x = scale · y + deviation · n at the embedded level."""
        if isinstance(self.noise, ContinuousNoise):
            return torch.ones_like(level)[:, None], torch.exp(2 * level)[:, None]
        alpha_bar = self.noise.alpha_bars.float()[level.long()][:, None]
        return alpha_bar.sqrt(), (1 - alpha_bar).sqrt()

    def unscaled(self, x: Tensor, deviation: Tensor) -> Tensor:
        """Networks see rows of unit variance."""
        return x * (1 + deviation**2).sqrt() if isinstance(self.noise, ContinuousNoise) else x

    def logits(self, x: Tensor, level: Tensor) -> Tensor:
        """log p(x | c) of both components."""
        scale, deviation = self.scales(level)
        x = self.unscaled(x, deviation)
        means = torch.tensor([[-MEAN, MEAN]]) * scale
        return -0.5 * (x - means) ** 2 / (scale**2 * STD**2 + deviation**2)

    def network(self, x: Tensor, level: Tensor, condition: Tensor) -> Tensor:
        """What a trained network would say of x (scaled, for continuous noise)."""
        scale, deviation = self.scales(level)
        weights = self.logits(x, level).softmax(1)
        x = self.unscaled(x, deviation)
        means = torch.tensor([[-MEAN, MEAN]])
        gain = scale * STD**2 / (scale**2 * STD**2 + deviation**2)
        of_components = means + gain * (x - scale * means)
        denoised = (weights * of_components).sum(1, keepdim=True)
        if isinstance(self.noise, ContinuousNoise):
            variance = deviation**2 + 1
            return (denoised - x / variance) * variance.sqrt() / deviation
        return (x - scale * denoised) / deviation


@pytest.fixture(params=[ContinuousNoise(40), DiscreteNoise(200)], ids=["continuous", "discrete"])
def noise(request: pytest.FixtureRequest) -> Noise:
    """Both kinds."""
    return request.param


def drawn(noise: Noise, labels: Tensor, guidance_scale: float | None) -> Tensor:
    mixture = Mixture(noise)
    gradient = None
    if guidance_scale is not None:
        gradient = label_gradient([mixture.logits], noise, [labels], guidance_scale)
    generator = torch.Generator().manual_seed(0)
    return noise.sample(mixture.network, 1, torch.zeros(len(labels), 0), generator, gradient)[:, 0]


def test_rows_land_in_the_component_of_their_label(noise: Noise) -> None:
    """And are distributed as it is."""
    labels = torch.arange(4000) % 2
    x = drawn(noise, labels, 1.0)
    for label, mean in ((0, -MEAN), (1, MEAN)):
        rows = x[labels == label]
        assert ((rows - mean).abs() < 4.5 * STD).float().mean() > 0.99
        assert rows.mean().item() == pytest.approx(mean, abs=0.05)
        assert rows.std().item() == pytest.approx(STD, rel=0.2)


def test_without_guidance_both_components_are_drawn(noise: Noise) -> None:
    """The unconditional mixture; a guidance scale of 0 is the same, row for row."""
    labels = torch.zeros(4000, dtype=torch.int64)
    x = drawn(noise, labels, None)
    assert (x > 0).float().mean().item() == pytest.approx(0.5, abs=0.05)
    torch.testing.assert_close(drawn(noise, labels, 0.0), x)


def test_rows_whose_label_is_ignored_are_not_steered(noise: Noise) -> None:
    """-100 stands for a null key."""
    x = drawn(noise, torch.full((4000,), -100), 1.0)
    assert (x > 0).float().mean().item() == pytest.approx(0.5, abs=0.05)


def test_the_gradient_is_that_of_the_log_probability() -> None:
    """Against finite differences, of two classifiers at once."""
    torch.manual_seed(0)
    noise = ContinuousNoise()
    networks = [Classifier(3, n, (8, 8)).double() for n in (4, 2)]
    labels = [torch.tensor([1, 3]), torch.tensor([0, 1])]
    x, level = torch.randn(2, 3, dtype=torch.float64), torch.tensor([0.5, 2.0], dtype=torch.float64)

    def log_p(rows: Tensor) -> Tensor:
        embedded = noise.embed(level)
        found = [network(noise.scaled(rows, level), embedded).log_softmax(1) for network in networks]
        return sum(f[torch.arange(2), label].sum() for f, label in zip(found, labels, strict=True))

    gradient = label_gradient(networks, noise, labels, 2.5)(x, level)
    step = 1e-6 * torch.eye(6, dtype=torch.float64).reshape(6, 2, 3)
    with torch.no_grad():
        numeric = torch.stack([(log_p(x + s) - log_p(x - s)) / 2e-6 for s in step]).reshape(2, 3)
    torch.testing.assert_close(gradient, 2.5 * numeric, rtol=1e-4, atol=1e-6)


def test_a_classifier_learns_from_its_loss() -> None:
    """Separate components are told apart at low noise."""
    torch.manual_seed(1)
    noise = ContinuousNoise(log_sigma_mean=-3.0, log_sigma_std=0.5)
    labels = torch.arange(400) % 2
    y = (2.0 * labels - 1)[:, None] + 0.1 * torch.randn(400, 1)
    network: nn.Module = Classifier(1, 2, (16,))
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    generator = torch.Generator().manual_seed(0)
    for _ in range(60):
        loss = classifier_loss(network, noise, y, labels, generator)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.1
