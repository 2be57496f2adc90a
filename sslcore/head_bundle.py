"""The instant loop's knowledge as a model for new items: an encoder and one linear layer.

A graph knows only the items that it was built on. What it believes of them is therefore distilled
(Hinton et al. 2015, temperature 1) into a softmax layer on the encoder's features: the cross-entropy to
the current probabilities over all items, plus ``½ r ‖W‖²``. The layer reads what the heads read,
``l2(PCA128(x − mean))``. People's labels enter as the certain probabilities that they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sslcore.errors import DataError
from sslcore.shapes import FloatArray

if TYPE_CHECKING:
    from sslcore.instant.view import View

KIND = "encoder_head"
_ROWS = 50_000  # more do not move a layer of 128 inputs


@dataclass(frozen=True)
class HeadModel:
    """A linear softmax layer on an encoder's features.

    Attributes:
        mean_D: Subtracted first.
        components_DH: Principal directions; None where features are narrow enough.
        weight_HC: The layer; ``bias_C`` its bias.
        classes: Names by position.
        encoder: The encoder's name; ``plan`` the choices under which it encoded the project.
    """

    mean_D: FloatArray
    components_DH: FloatArray | None
    weight_HC: FloatArray
    bias_C: FloatArray
    classes: tuple[str, ...]
    encoder: str
    plan: Mapping[str, Any]
    modality: str

    def proba_of_features(self, feature_BD: FloatArray) -> FloatArray:
        """Probabilities ``B×C`` (float32) of features ``B×D`` of the encoder."""
        hidden_BH = np.asarray(feature_BD, np.float32) - self.mean_D
        if self.components_DH is not None:
            hidden_BH = hidden_BH @ self.components_DH
        hidden_BH = hidden_BH / np.maximum(np.linalg.norm(hidden_BH, axis=1, keepdims=True), 1e-12)
        return _softmax(hidden_BH @ self.weight_HC + self.bias_C)

    def predict_proba(self, items: Sequence[str] | Sequence[Path]) -> FloatArray:
        """Probabilities ``B×C`` of texts, or of image files.

        Raises:
            DataError: A file that is no image.
            SourceUnavailableError: The encoder's weights are not on this machine.
        """
        from sslcore.features.encoder import Items, find_encoder

        if not len(items):
            return np.zeros((0, len(self.classes)), np.float32)
        held = (
            Items.of_texts([str(item) for item in items])
            if self.modality == "text"
            else Items.of_images([Path(item) for item in items])
        )
        encoder = find_encoder(self.encoder)
        blocks = list(encoder.blocks(held, plan=self.plan, start=0, tick=lambda done: None))
        # The project's features are kept as float16; new items get the same rounding.
        return self.proba_of_features(np.concatenate(blocks).astype(np.float16))


def distil(
    view: View, proba_NC: FloatArray, *, penalty: float = 1e-5, seed: int = 0
) -> tuple[FloatArray, FloatArray]:
    """The softmax layer ``(weight_HC, bias_C)`` that comes closest to ``proba_NC`` on the view's items.

    Args:
        view: Features; at most 50,000 rows of them, drawn by ``seed``, are used.
        proba_NC: What is believed of every item.
        penalty: ``r`` above.

    >>> from sslcore.instant.view import View
    >>> proba_NC = np.eye(2)[[0, 0, 1, 1]]
    >>> weight_HC, bias_C = distil(View("toy", np.array([[1.0], [2.0], [-1.0], [-2.0]]), None), proba_NC)
    >>> bool(weight_HC[0, 0] > 0 > weight_HC[0, 1])
    True
    """
    from scipy.optimize import minimize

    rows = np.arange(len(proba_NC))
    if len(rows) > _ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, _ROWS, replace=False))
    hidden_NH = np.asarray(view.head_ND[rows], np.float32)
    target_NC = np.asarray(proba_NC[rows], np.float32)
    design_NE = np.concatenate([hidden_NH, np.ones((len(rows), 1), np.float32)], axis=1)
    shape = (design_NE.shape[1], target_NC.shape[1])

    def loss(flat: FloatArray) -> tuple[float, FloatArray]:
        theta_EC = flat.reshape(shape).astype(np.float32)
        logits_NC = design_NE @ theta_EC
        logits_NC -= logits_NC.max(axis=1, keepdims=True)
        log_part_N1 = np.log(np.exp(logits_NC).sum(axis=1, keepdims=True))
        value = -float((target_NC * (logits_NC - log_part_N1)).sum(dtype=np.float64)) / len(rows)
        gradient_EC = design_NE.T @ (np.exp(logits_NC - log_part_N1) - target_NC) / len(rows)
        pulled_EC = penalty * theta_EC
        pulled_EC[-1] = 0
        value += 0.5 * float((pulled_EC * theta_EC).sum(dtype=np.float64))
        return value, (gradient_EC + pulled_EC).ravel().astype(np.float64)

    best = minimize(loss, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 300})
    theta_EC = best.x.reshape(shape).astype(np.float32)
    return theta_EC[:-1], theta_EC[-1]


def save_head(folder: Path, model: HeadModel, *, card: str) -> None:
    """Writes ``model.safetensors``, ``labels.json``, ``preprocess.json``, ``card.md``: all or nothing."""
    from safetensors.numpy import save_file

    from sslcore.files import sync_folder

    if folder.exists():
        raise DataError("There is something of that name already. Choose another one.", file=folder)
    temporary = folder.parent / f".{folder.name}.part"
    temporary.mkdir(parents=True, exist_ok=True)
    arrays = {"mean": model.mean_D, "weight": model.weight_HC, "bias": model.bias_C}
    if model.components_DH is not None:
        arrays["components"] = model.components_DH
    save_file(
        {k: np.ascontiguousarray(v, np.float32) for k, v in arrays.items()}, temporary / "model.safetensors"
    )
    (temporary / "labels.json").write_text(
        json.dumps(list(model.classes), ensure_ascii=False, indent=1), "utf-8"
    )
    preprocess = {
        "kind": KIND,
        "encoder": model.encoder,
        "plan": dict(model.plan),
        "modality": model.modality,
    }
    (temporary / "preprocess.json").write_text(json.dumps(preprocess, indent=1), "utf-8")
    (temporary / "card.md").write_text(card, "utf-8")
    temporary.rename(folder)
    sync_folder(folder.parent)


def load_head(folder: Path) -> HeadModel:
    """Reads what :func:`save_head` wrote.

    Raises:
        DataError: The folder holds no such model.
    """
    from safetensors.numpy import load_file

    try:
        preprocess = json.loads((folder / "preprocess.json").read_text("utf-8"))
        classes = json.loads((folder / "labels.json").read_text("utf-8"))
        arrays = load_file(folder / "model.safetensors")
    except (OSError, ValueError) as error:
        raise DataError(f"No model can be read here: {error}.", file=folder) from error
    if preprocess.get("kind") != KIND:
        raise DataError(f"This is a model of kind {preprocess.get('kind')!r}, not {KIND!r}.", file=folder)
    return HeadModel(
        mean_D=arrays["mean"],
        components_DH=arrays.get("components"),
        weight_HC=arrays["weight"],
        bias_C=arrays["bias"],
        classes=tuple(classes),
        encoder=preprocess["encoder"],
        plan=preprocess["plan"],
        modality=preprocess["modality"],
    )


def _softmax(logits_BC: FloatArray) -> FloatArray:
    shifted_BC = np.exp(logits_BC - logits_BC.max(axis=1, keepdims=True))
    return np.asarray(shifted_BC / shifted_BC.sum(axis=1, keepdims=True), np.float32)
