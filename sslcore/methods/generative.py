"""What the generative methods share: which sets they can draw, the range of pixels, sheets of images.

Images and feature vectors can be drawn; words cannot, as no gradient passes through the choice of one. A
network is fed normalised pixels; a decoder speaks of values from 0 to 1. The range between is taken from the
views as they come by: their least and largest value, a channel each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sslcore.config import Config
from sslcore.methods.base import Method
from sslcore.models import TaskShape
from sslcore.models.ground import CLASS_KINDS, Ground

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from sslcore.models.conditional_vae import ConditionalVAE
    from sslcore.models.network import Network

MOST_CLASSES, LEAST_SIDE = 10, 6  # classes on a sheet, and images along its side
SHOWN = 8  # items whose reconstructions are shown


class GenerativeMethod(Method):
    """Base of the methods with something that draws items.

    Attributes:
        rate: Learning rate of the own modules, which move by Adam.
        momentum: Its beta_1.
    """

    rate = 1e-3
    momentum = 0.9
    labels_first = False

    def __init__(self, config: Config, tasks: Sequence[TaskShape], items: int) -> None:
        super().__init__(config, tasks, items)
        self.shown: dict[int, tuple[Tensor, Tensor]] = {}  # of a task: a few items, and what became of them

    @classmethod
    def obstacle(cls, config: Any, ground: Ground) -> str:
        """It draws images or feature vectors of a class."""
        if ground.traits.source == "text":
            return (
                f"{cls.__name__} draws images or feature vectors; this network ({ground.backbone}) reads "
                "words, and these cannot be drawn by gradient. Train it on an encoder's features: choose an "
                "encoder and the backbone 'feature_mlp', or another method."
            )
        if not ground.classed:
            return (
                f"{cls.__name__} draws items of a class, and no task of this run has one class an item. "
                "Choose another method, or a task of the kind 'single' or 'ordinal' beside."
            )
        return ""

    def build(self, network: Network) -> None:
        """Opens the range of pixels."""
        import torch

        spec = network.backbone.spec
        self.spec, self.slices = spec, list(network.slices)
        if spec.kind == "image":
            self.state["low_X"] = torch.zeros(spec.channels)
            self.state["high_X"] = torch.zeros(spec.channels)

    def groups(self, rate: float, decay: float) -> list[dict[str, Any]]:
        """All own weights by Adam, without decay."""
        weights = [*self.own.parameters()]
        scale = self.rate / rate
        return [{"params": weights, "weight_decay": 0.0, "scale": scale, "adaptive": self.momentum}]

    def watch(self, view_B: Tensor) -> None:
        """Widens the range of pixels by what is in a view."""
        import torch

        if self.spec.kind == "image":
            view_B = view_B.detach().float()
            self.state["low_X"] = torch.minimum(self.state["low_X"], view_B.amin((0, 2, 3)))
            self.state["high_X"] = torch.maximum(self.state["high_X"], view_B.amax((0, 2, 3)))

    def values(self, view_B: Tensor) -> Tensor:
        """A view as a decoder speaks of it: pixels from 0 to 1, features as they are."""
        if self.spec.kind != "image":
            return view_B.detach().float()
        low, width = self._range()
        return ((view_B.detach().float() - low) / width).clamp(0, 1)

    def view(self, value_B: Tensor) -> Tensor:
        """The way back: what a network is fed, from values."""
        if self.spec.kind != "image":
            return value_B
        low, width = self._range()
        return value_B * width + low

    def _range(self) -> tuple[Tensor, Tensor]:
        low, high = (self.state[name].view(1, -1, 1, 1) for name in ("low_X", "high_X"))
        return low, (high - low).clamp(min=1e-3)

    def samples(self, task: int, label_K: Tensor, rng: torch.Generator) -> Tensor | None:
        """Values of drawn items of these classes, ``KXHW``; None where nothing is drawn for the task."""
        return None

    def picture(self, rng: torch.Generator) -> dict[str, Tensor] | None:
        """Drawn items, class after class so that a square sheet has each in rows of its own, and items with
        their reconstructions beside them."""
        import torch

        if self.spec.kind != "image":
            return None
        sheets: dict[str, Tensor] = {}
        modes = [(module, module.training) for module in self.own.modules()]
        self.own.eval()
        with torch.no_grad():
            for index, task in enumerate(self.tasks):
                drawn = self.samples(index, sheet_labels(task.classes).to(rng.device), rng)
                if drawn is not None:
                    sheets[f"samples_{index + 1}" if index else "samples"] = pixels(drawn)
        for module, mode in modes:
            module.training = mode
        for index, (value_B, again_B) in self.shown.items():
            pairs = torch.stack([value_B[:SHOWN], again_B[:SHOWN]], 1).flatten(0, 1)
            sheets[f"reconstructions_{index + 1}" if index else "reconstructions"] = pixels(pairs)
        return sheets or None


class AutoencoderMethod(GenerativeMethod):
    """Base of the methods with a class-conditional autoencoder for each task that has classes."""

    rate = 3e-3  # at 1e-3 a laptop's run of some hundred steps ends before the decoder heeds the class

    def build(self, network: Network) -> None:
        """The autoencoders."""
        from torch import nn

        from sslcore.models.conditional_vae import ConditionalVAE

        super().build(network)
        latent, spec = self.config.latent, self.spec
        self.own["vae"] = nn.ModuleDict(
            {
                str(index): ConditionalVAE(spec, part.stop - part.start, task.classes, latent)
                for index, (task, part) in enumerate(zip(self.tasks, self.slices, strict=True))
                if task.kind in CLASS_KINDS
            }
        )

    def vae(self, task: int) -> ConditionalVAE | None:
        """The autoencoder of a task; None where its answers are not classes."""
        held = dict(self.own["vae"].named_children())
        return held.get(str(task))  # type: ignore[return-value]

    def samples(self, task: int, label_K: Tensor, rng: torch.Generator) -> Tensor | None:
        """Codes from the standard normal distribution, decoded."""
        import torch

        vae = self.vae(task)
        if vae is None:
            return None
        return vae.draw(torch.randn(len(label_K), vae.latent, generator=rng, device=rng.device), label_K)

    def show(
        self, vae: ConditionalVAE, task: int, read_UH: Tensor, value_U: Tensor, proba_UC: Tensor
    ) -> None:
        """Keeps a few items for the picture, decoded from their mean code and likeliest class."""
        import torch
        from torch.nn.functional import one_hot

        if self.spec.kind != "image":
            return
        with torch.no_grad():
            count = min(SHOWN, len(value_U))
            label_K = proba_UC[:count].argmax(1)
            mean_KD, _ = vae.encode(read_UH[:count], one_hot(label_K, vae.classes).float())
            self.shown[task] = (value_U[:count], vae.draw(mean_KD, label_K))


def sheet_labels(classes: int) -> Tensor:
    """The class of each image of a square sheet, row by row.

    >>> sheet_labels(3).view(6, 6)[:, 0].tolist()
    [0, 0, 1, 1, 2, 2]
    """
    import torch

    classes = max(1, min(classes, MOST_CLASSES))
    side = classes * -(-LEAST_SIDE // classes)
    return torch.arange(side * side) * classes // (side * side)


def pixels(value_BXHW: Tensor) -> Tensor:
    """Images from 0 to 1 as uint8.

    >>> import torch
    >>> pixels(torch.tensor([[[[0.0, 1.0]]]])).tolist()
    [[[[0, 255]]]]
    """
    import torch

    return (value_BXHW.detach().float().clamp(0, 1) * 255).round().to(torch.uint8)
