"""The warm start of a run: its own small loop on items without labels, before the method's.

AdamW with a cosine to zero; the backbone, and what the warm start puts on top of it, move; the averaged
network follows as in the main loop. Everything random follows from the seed and the step, and all of it is
in the checkpoint, so a run that is killed here goes on here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from sslcore.augment.dice import Dice
from sslcore.errors import TrainingError
from sslcore.methods.base import Moment
from sslcore.models.network import Network
from sslcore.pretraining.base import WarmStart
from sslcore.training.ema import AveragedNetwork
from sslcore.training.pool import Pool, Stream
from sslcore.training.schedule import Budget

SEED = 97  # the warm start's stream of random numbers beside the main loop's


@dataclass
class Warming:
    """The loop of a warm start, one step at a time.

    Args:
        warm: The warm start.
        network: The network whose backbone is warmed.
        pool: Where items come from.
        budget: Steps of the warm start.
        seed: Everything random follows from it.
        ema: Decay of the averaged network.
        precision: What is computed in.
    """

    warm: WarmStart
    network: Network
    pool: Pool
    budget: Budget
    seed: int
    ema: float
    precision: torch.dtype

    def __post_init__(self) -> None:
        config = self.warm.config
        self.step = 0
        self.rate: float = config.rate
        self.dice = Dice(self.seed + SEED, self.pool.device)
        self.stream = Stream(self.pool.free_row_U, config.batch, self.seed * 1009 + SEED)
        torch.manual_seed(self.seed + SEED)
        few_B = self.pool.fetch(self.pool.free_row_U[:4])
        self.warm.build(self.network.backbone, self.pool.views.plain(few_B))
        self.warm.to(self.pool.device)
        self.average = AveragedNetwork(self.network, self.ema)
        self.weights = [*self.network.backbone.parameters(), *self.warm.own.parameters()]
        self.optimiser = torch.optim.AdamW(self.weights, lr=config.rate, weight_decay=1e-4)
        self.bad_step = torch.full((), -1, device=self.pool.device)
        self.lost = torch.zeros((), device=self.pool.device)
        self.since = 0

    def resize(self, batch: int) -> None:
        """Takes batches of another size from now on, with the rate that suits them (the linear rule)."""
        self.stream.size = batch
        self.rate = self.warm.config.rate * batch / self.warm.config.batch

    def over(self) -> bool:
        """Whether all its steps are done."""
        return self.budget.over(self.step)

    def one_step(self) -> None:
        """Batch, views, loss, backward, optimiser, averaged weights."""
        self.dice.turn(self.step)
        torch.manual_seed((self.seed + SEED) * 1_000_003 + self.step)
        done = self.budget.done(self.step)
        item_B = self.pool.fetch(self.stream.deal(self.step))
        views = {name: self.pool.view(name, item_B, self.dice) for name in self.warm.views}
        moment = Moment(step=self.step, done=done, teacher=self.average.network)
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate * 0.5 * (1 + math.cos(math.pi * done))
        with torch.autocast(self.pool.device.type, self.precision, enabled=self.precision != torch.float32):
            loss = self.warm.loss(self.network.backbone, views, moment, self.dice.rng)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.weights, 5.0)
        self.optimiser.step()
        self.average.update(self.step)
        self.bad_step = torch.where(
            ~torch.isfinite(loss.detach()) & (self.bad_step < 0), self.step, self.bad_step
        )
        self.lost += loss.detach()
        self.since += 1
        self.step += 1

    def figures(self) -> list[tuple[str, float]]:
        """The mean loss since it was last asked for.

        Raises:
            TrainingError: The loss became NaN.
        """
        if int(self.bad_step) >= 0:
            raise TrainingError(
                f"The loss of the warm start became NaN or infinite at its step {int(self.bad_step)}. "
                f"Expected: a finite number. Lower its learning rate (now {self.rate:g}), "
                "or choose another."
            )
        if not self.since:
            return []
        mean = float(self.lost) / self.since
        self.lost, self.since = torch.zeros_like(self.lost), 0
        return [("warm_start_loss", mean)]

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint must hold beside the network and the optimiser."""
        held = {f"warm_own.{name}": tensor for name, tensor in self.warm.own.state_dict().items()}
        held |= {f"warm_state.{name}": tensor for name, tensor in self.warm.state.items()}
        average = self.average.network.state_dict()
        return held | {f"warm_average.{name}": tensor for name, tensor in average.items()}
