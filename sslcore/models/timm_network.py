"""Any image network of timm by its name (Wightman 2019, doi:10.5281/zenodo.4414861).

``timm:NAME`` with the weights that timm offers, ``timm:NAME?pretrained=false`` with random ones. Pretrained
networks get pixels normalised as timm's configuration of them says.
"""

from __future__ import annotations

import difflib
import os
import socket
import urllib.request
from functools import cache
from typing import Any, ClassVar

from sslcore.errors import SourceUnavailableError, UnknownNameError
from sslcore.models import InputSpec
from sslcore.models.image_trunk import ImageTrunk, cut
from sslcore.models.names import parse_name
from sslcore.models.network import Backbone


class TimmNetwork(ImageTrunk):
    """A network of timm; its subclasses say which."""

    name: ClassVar[str] = ""

    def __init__(self, spec: InputSpec) -> None:
        import timm

        model = parse_name(self.name).model
        config = timm.get_pretrained_cfg(model, allow_unregistered=False)
        settings: dict[str, Any] = {"num_classes": 0}
        if config.fixed_input_size:
            settings["img_size"] = spec.size
        wanted = self.pretrained and spec.pretrained
        if wanted:
            self.need_weights()
        try:
            network = timm.create_model(model, pretrained=wanted, **settings)
        except Exception as error:  # no network, no such file, no room: the library raises what it meets
            raise SourceUnavailableError(no_weights(self.name, error)) from None
        super().__init__(spec, *cut(network, spec.size, self.name))

    @classmethod
    def need_weights(cls) -> None:
        """Refuses where its weights are neither on this machine nor within reach; loads none.

        Raises:
            SourceUnavailableError: Says what works without a network.
        """
        import timm
        from huggingface_hub import try_to_load_from_cache

        if not cls.pretrained:
            return
        config = timm.get_pretrained_cfg(parse_name(cls.name).model, allow_unregistered=False)
        if config.hf_hub_id and isinstance(
            try_to_load_from_cache(config.hf_hub_id, "model.safetensors"), str
        ):
            return
        if not within_reach("huggingface.co"):
            raise SourceUnavailableError(no_weights(cls.name, OSError("no connection")))


@cache
def backbone(name: str) -> type[Backbone]:
    """The class of backbones of a name such as ``timm:resnet18``.

    Raises:
        UnknownNameError: timm has no such network; the message names near ones.
    """
    import timm

    held = parse_name(name)
    plain = held.model.split(".")[0]
    if not timm.is_model(plain):
        near = difflib.get_close_matches(plain, timm.list_models(), n=3)
        hint = f" Did you mean: {', '.join(near)}?" if near else " `timm.list_models()` lists them."
        raise UnknownNameError(f"timm has no network {held.model!r}.{hint}")
    config = timm.get_pretrained_cfg(held.model, allow_unregistered=False)
    trained = held.pretrained and config is not None and config.has_weights
    if held.pretrained and not trained:
        raise UnknownNameError(
            f"timm has no weights for {held.model!r}. Expected: {name}?pretrained=false, for random ones, "
            "or a network that has weights."
        )
    side = int(config.input_size[-1])
    traits: dict[str, Any] = {
        "name": name,
        "pretrained": trained,
        "normalisation": (tuple(config.mean), tuple(config.std)) if trained else None,
        "sizes": (64, max(64, side)),
        "__doc__": f"{held.model} of timm.",
    }
    return type("TimmNetwork_" + plain, (TimmNetwork,), traits)


def within_reach(host: str) -> bool:
    """Whether a download has a chance: the hub's client would try for three quarters of a minute."""
    if os.environ.get("HF_HUB_OFFLINE", "0").upper() in ("1", "TRUE", "YES", "ON"):
        return False
    if urllib.request.getproxies():
        return True
    try:
        return bool(socket.getaddrinfo(host, 443))
    except OSError:
        return False


def no_weights(name: str, error: Exception) -> str:
    """What to tell where weights cannot be had."""
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return (
        f"The weights of {name!r} are not on this machine and cannot be downloaded ({reason[:200]}). "
        "Without a network there are: efficientnet_lite0, whose weights are installed; small_cnn, wrn_16_2 "
        f"and wrn_28_2, which need none; and {name.partition('?')[0]}?pretrained=false, from random weights."
    )
