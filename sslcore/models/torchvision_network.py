"""Any classification network of torchvision by its name (TorchVision maintainers 2016).

``torchvision:NAME`` with the weights that torchvision recommends, ``torchvision:NAME?pretrained=false`` with
random ones. The last linear layer, the classifier, is left out; what it read are the features.
"""

from __future__ import annotations

import difflib
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from torch import nn

from sslcore.errors import RecipeError, SourceUnavailableError, UnknownNameError
from sslcore.models import InputSpec
from sslcore.models.image_trunk import ImageTrunk, cut
from sslcore.models.names import parse_name
from sslcore.models.network import Backbone
from sslcore.models.timm_network import no_weights, within_reach

HOST = "download.pytorch.org"


class TorchvisionNetwork(ImageTrunk):
    """A network of torchvision; its subclasses say which."""

    name: ClassVar[str] = ""

    def __init__(self, spec: InputSpec) -> None:
        import torchvision.models as library

        model = parse_name(self.name).model
        settings: dict[str, Any] = {"weights": None}
        if "vit" in model:
            settings["image_size"] = spec.size
        network = library.get_model(model, **settings)
        if self.pretrained and spec.pretrained:
            self.need_weights()
            weights: Any = library.get_model_weights(model)
            try:  # hash and "weights only": what is downloaded is checked and runs no code
                held = weights.DEFAULT.get_state_dict(progress=False, check_hash=True, weights_only=True)
                network.load_state_dict(held)
            except Exception as error:
                raise SourceUnavailableError(no_weights(self.name, error)) from None
        _behead(network, self.name)
        super().__init__(spec, *cut(network, spec.size, self.name))

    @classmethod
    def need_weights(cls) -> None:
        """Refuses where its weights are neither on this machine nor within reach; loads none.

        Raises:
            SourceUnavailableError: Says what works without a network.
        """
        import torchvision.models as library
        from torch import hub

        if not cls.pretrained:
            return
        weights: Any = library.get_model_weights(parse_name(cls.name).model)
        file = weights.DEFAULT.url.rpartition("/")[2]
        if not (Path(hub.get_dir()) / "checkpoints" / file).is_file() and not within_reach(HOST):
            raise SourceUnavailableError(no_weights(cls.name, OSError("no connection")))


@cache
def backbone(name: str) -> type[Backbone]:
    """The class of backbones of a name such as ``torchvision:resnet18``.

    Raises:
        UnknownNameError: torchvision has no such network for classification; the message names near ones.
    """
    import torchvision.models as library

    held = parse_name(name)
    there = library.list_models(module=library)
    if held.model not in there:
        near = difflib.get_close_matches(held.model, there, n=3)
        hint = f" Did you mean: {', '.join(near)}?" if near else f" It has: {', '.join(there)}."
        raise UnknownNameError(f"torchvision has no network {held.model!r}.{hint}")
    norm: Any = None
    if held.pretrained:
        weights: Any = library.get_model_weights(held.model)
        transforms = weights.DEFAULT.transforms()
        norm = (tuple(transforms.mean), tuple(transforms.std))
    traits: dict[str, Any] = {
        "name": name,
        "pretrained": held.pretrained,
        "normalisation": norm,
        "__doc__": f"{held.model} of torchvision.",
    }
    return type("TorchvisionNetwork_" + held.model, (TorchvisionNetwork,), traits)


def _behead(network: nn.Module, name: str) -> None:
    """Replaces the last linear layer by nothing."""
    last = [path for path, module in network.named_modules() if isinstance(module, nn.Linear)]
    if not last:
        raise RecipeError(
            f"The network {name!r} ends in no linear layer, so its features cannot be taken out. "
            "Choose one such as torchvision:resnet18."
        )
    owner, _, child = last[-1].rpartition(".")
    setattr(network.get_submodule(owner), child, nn.Identity())
