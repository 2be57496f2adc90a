"""LoRA: low-rank steps beside frozen weights (Hu et al. 2022, arXiv:2106.09685).

``W x + (alpha / rank) B A x``, B zero at the start, so training begins at the pretrained network. Steps
stand beside every linear layer and every 1x1 convolution without groups of the backbone (attention and
perceptron of a transformer, the mixing convolutions of a mobile network), by the peft library; heads, and
what a sharing brings, learn in full. At the end the steps are added to the weights, so the model is a plain
network of the same size.

When: a pretrained transformer or mobile network, few labels, and fine-tuning that overfits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sslcore.config import Config, param
from sslcore.models.ground import Ground
from sslcore.transfer import TRANSFERS
from sslcore.transfer.base import Transfer, need_knowledge

if TYPE_CHECKING:
    from torch import nn

    from sslcore.models.network import Backbone, Network


@dataclass(frozen=True)
class LoRAConfig(Config):
    """Settings of LoRA."""

    rank: int = param(8, low=1, high=256, help="Rank of the steps.")
    alpha: float = param(16.0, low=0.01, high=1024, help="Weight of the steps, divided by the rank.")
    dropout: float = param(0.0, low=0, high=0.9, help="Share of a step's inputs that is dropped.")
    parts: int = param(0, low=0, high=64, help="Parts from the output that get steps; 0: all.")


@TRANSFERS.register(
    "lora", title="LoRA", family="transfer", paper="Hu et al. 2022, arXiv:2106.09685", config=LoRAConfig
)
class LoRA(Transfer):
    """Small steps beside frozen weights."""

    @classmethod
    def obstacle(cls, config: Any, ground: Ground) -> str:
        """It needs a network that knows something, and layers that can take steps."""
        steps = ground.traits.steps[-config.parts :] if config.parts else ground.traits.steps
        if not sum(steps):
            kept = "'finetune' or 'l2_sp'" if ground.knows else "'finetune'"
            elsewhere = bool(sum(ground.traits.steps))
            return (
                f"LoRA stands beside linear layers and 1x1 convolutions, and {ground.backbone} has none"
                + (f" among its last {config.parts} parts. Choose more parts (0: all)" if elsewhere else "")
                + (", or " if elsewhere else ". Choose a backbone such as 'efficientnet_lite0', or ")
                + f"transfer {kept}."
            )
        return need_knowledge(ground, "LoRA")

    def prepare(self, network: Network) -> None:
        """Freezes the backbone and puts the steps beside its layers."""
        from peft import LoraConfig, inject_adapter_in_model

        backbone = network.backbone
        names = targets(backbone, self.config.parts)
        backbone.requires_grad_(False)
        settings = LoraConfig(
            r=self.config.rank,
            lora_alpha=self.config.alpha,  # type: ignore[arg-type]
            lora_dropout=self.config.dropout,
            target_modules=names,
        )
        inject_adapter_in_model(settings, backbone)  # which closes all weights but the steps
        for weight in backbone.new_weights():
            weight.requires_grad_(True)

    def finish(self, network: Network) -> None:
        """Adds the steps to the weights and takes the wrappers away."""
        from peft.tuners.tuners_utils import BaseTunerLayer

        backbone = network.backbone
        wrapped = {
            name: module for name, module in backbone.named_modules() if isinstance(module, BaseTunerLayer)
        }
        for name, module in wrapped.items():
            module.merge()
            parent, _, child = name.rpartition(".")
            setattr(backbone.get_submodule(parent), child, module.get_base_layer())


def targets(backbone: Backbone, parts: int = 0) -> list[str]:
    """Names of the layers that can take steps.

    Args:
        backbone: Whose layers; those that a sharing brought learn in full and take none.
        parts: Only those in so many parts from the output; 0: all.

    >>> from sslcore.models import BACKBONES, InputSpec
    >>> targets(BACKBONES["feature_mlp"].value(InputSpec("feature", dim=4)))
    ['into', 'out']
    """
    chosen = backbone.parts()[-parts:] if parts else [backbone]
    inside = {id(module) for part in chosen for module in part.modules()}
    new = {id(weight) for weight in backbone.new_weights()}
    return [
        name
        for name, module in backbone.named_modules()
        if id(module) in inside and takes_steps(module) and id(module.weight) not in new
    ]


def takes_steps(module: nn.Module) -> bool:
    """Whether a step can stand beside a layer: a linear one, or a 1x1 convolution without groups.

    >>> from torch import nn
    >>> takes_steps(nn.Linear(2, 2)), takes_steps(nn.Conv2d(2, 2, 3))
    (True, False)
    """
    from torch import nn

    if isinstance(module, nn.Conv2d):
        return module.kernel_size == (1, 1) and module.groups == 1
    return isinstance(module, nn.Linear)
