"""A FixMatch step of USB (semilearn), for :mod:`benchmarks.engine`; nothing of it is needed elsewhere.

USB imports packages for audio, downloads and logging at its start, and copies every batch to CUDA. The former
are blanks here where they are missing, the latter is left out; its algorithm, hooks, loaders and views are
its own.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

BLANKS = {
    "aim", "librosa", "mlflow", "progress", "ruamel", "skimage", "soundfile", "tensorboard", "tensorboardX",
    "torchaudio", "wandb",
}  # fmt: skip


class _Blank(types.ModuleType):
    __path__: list[str] = []  # noqa: RUF012

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


class _Blanks(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name.split(".")[0] in BLANKS:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: Any) -> types.ModuleType:
        return _Blank(spec.name)

    def exec_module(self, module: types.ModuleType) -> None: ...


def usb_step(folder: Path, backbone: str, image_NXHW: Any, save: str) -> Callable[[], None]:
    """One step of USB's FixMatch on the same images: its loader, its step, its hooks."""
    sys.path.append(str(folder))
    sys.meta_path.append(_Blanks())
    sys.modules.setdefault("torch.utils.tensorboard", _Blank("torch.utils.tensorboard"))
    from semilearn import nets
    from semilearn.algorithms.fixmatch import FixMatch
    from semilearn.datasets.augmentation import RandAugment
    from semilearn.datasets.cv_datasets.datasetbase import BasicDataset
    from torch.utils.data import DataLoader, RandomSampler
    from torchvision import transforms

    image_NHWX = np.ascontiguousarray(np.asarray(image_NXHW).transpose(0, 2, 3, 1))
    usual = [
        transforms.RandomCrop(32, padding=4, padding_mode="reflect"),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize([0.5] * 3, [0.25] * 3),
    ]
    weak = transforms.Compose(usual)
    strong = transforms.Compose([*usual[:2], RandAugment(3, 5), *usual[2:]])

    class OnProcessor(FixMatch):
        def set_dataset(self) -> dict[str, Any]:
            label_N = (np.arange(len(image_NHWX)) % 10).tolist()
            lb = BasicDataset("fixmatch", image_NHWX[:40], label_N[:40], 10, weak, False, strong, False)
            ulb = BasicDataset("fixmatch", image_NHWX, label_N, 10, weak, True, strong, False)
            return {"train_lb": lb, "train_ulb": ulb}

        def set_data_loader(self) -> dict[str, Any]:
            def loader(name: str, size: int) -> DataLoader[Any]:
                data = self.dataset_dict[name]
                draws = RandomSampler(data, replacement=True, num_samples=size * 100_000)
                return DataLoader(data, batch_size=size, sampler=draws)

            return {"train_lb": loader("train_lb", 16), "train_ulb": loader("train_ulb", 16 * 7)}

        def process_batch(self, input_args: Any = None, **given: Any) -> dict[str, Any]:
            return {name: given[name] for name in ("x_lb", "y_lb", "x_ulb_w", "x_ulb_s")}

    given = {
        "num_classes": 10, "ema_m": 0.999, "epoch": 1, "num_train_iter": 10**6, "num_eval_iter": 10**6,
        "num_log_iter": 10**6, "ulb_loss_ratio": 1.0, "use_cat": False, "amp": False, "clip_grad": 0.0,
        "save_name": "usb", "save_dir": save, "resume": False, "algorithm": "fixmatch", "gpu": None,
        "rank": 0, "distributed": False, "world_size": 1, "optim": "SGD", "lr": 0.03, "momentum": 0.9,
        "weight_decay": 5e-4, "layer_decay": 1.0, "num_warmup_iter": 0, "use_pretrain": False,
        "pretrain_path": "", "use_wandb": False, "use_aim": False, "T": 0.5, "p_cutoff": 0.95,
        "hard_label": True, "multiprocessing_distributed": False,
    }  # fmt: skip
    made = OnProcessor(types.SimpleNamespace(**given), getattr(nets, backbone), None, None)
    made.model.train()
    made.ema_model.eval()
    update, ema = made.hooks_dict["ParamUpdateHook"], made.hooks_dict["EMAHook"]
    ema.before_run(made)

    def pairs() -> Iterator[tuple[Any, Any]]:
        yield from zip(made.loader_dict["train_lb"], made.loader_dict["train_ulb"], strict=False)

    batches = pairs()

    def step() -> None:
        data_lb, data_ulb = next(batches)
        made.out_dict, made.log_dict = made.train_step(**made.process_batch(**data_lb, **data_ulb))
        update.after_train_step(made)
        ema.after_train_step(made)
        made.it += 1

    return step
