"""The training loop, the same for every method.

First the warm start, where there is one. Then, a step: batch, views, losses, the balancing's backward pass,
clip, optimiser, averaged weights. Nothing in it waits for the device:
what a step has to tell is summed on the device and read at evaluations. Everything random follows from the
seed and the step, so a killed run goes on from its checkpoint to the same weights, bit for bit on a CPU.
Reported is the averaged network at the last step, never the best one seen.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from sslcore.augment.dice import Dice
from sslcore.errors import RecipeError, TrainingError
from sslcore.methods import METHODS
from sslcore.methods.base import Diagnostics, Method, Moment
from sslcore.models import TaskShape
from sslcore.models.network import Backbone, Network, build_network
from sslcore.multitask.base import Balancing, Sharing
from sslcore.pretraining import WARM_STARTS
from sslcore.pretraining.base import WarmStart
from sslcore.shapes import FloatArray, IntArray
from sslcore.training.checkpoint import pack_optimiser, read_checkpoint, unpack_optimiser, write_checkpoint
from sslcore.training.data import TrainingData
from sslcore.training.device import choose_device, choose_precision
from sslcore.training.ema import AveragedNetwork
from sslcore.training.evaluation import Evaluation, probe_rows
from sslcore.training.optimiser import PartlyAdaptive
from sslcore.training.optimiser import PartlyAdaptive
from sslcore.training.pool import Pool
from sslcore.training.predictor import Predictor
from sslcore.training.preprocess import Preprocess, plan
from sslcore.training.recipe import Recipe
from sslcore.training.schedule import Budget, cosine
from sslcore.training.sizing import settle
from sslcore.training.tally import Tally
from sslcore.training.warming import Warming
from sslcore.transfer.base import Source, Transfer, split_decay

CHECKPOINT = "checkpoint.safetensors"
COLLAPSE = 3.0  # a class given this many times as often as its prior says is a collapse
CANCEL_EVERY_S = 0.2
OVERDUE = 1.5


class Reporter(Protocol):
    """Who is told what happens."""

    def metric(self, step: int, name: str, value: float, *, task: str | None = None) -> None:
        """A figure at a step; ``task`` is None for figures of the whole run."""

    def progress(self, done: float, total: float, *, note: str = "") -> None:
        """How much is done, and a line for the user."""

    def should_cancel(self) -> bool:
        """Whether the run should stop now."""


@dataclass
class TrainingResult:
    """What a run leaves.

    Args:
        proba: Probabilities ``NC`` (float32) of each task for all items; empty where the run was cancelled.
        feature_ND: Features (float16) of all items; empty where the run was cancelled.
        metrics: Last figures, ``{"audit_accuracy": {task: value}, …, "notes": [line]}``.
        cancelled: Whether it was told to stop.
        steps: Steps done.
        seconds: Time spent in the loop and after it, over all resumptions.
        predictor: The averaged network with its preprocessing.
    """

    proba: Mapping[str, FloatArray]
    feature_ND: FloatArray
    metrics: dict[str, Any]
    cancelled: bool
    steps: int
    seconds: float
    predictor: Predictor


def train(
    recipe: Recipe, data: TrainingData, reporter: Reporter, *, folder: Path, resume: bool = False
) -> TrainingResult:
    """Runs a recipe on a set.

    Args:
        recipe: All choices.
        data: Items, labels, audit split.
        reporter: Is told figures at every evaluation and asked whether to stop.
        folder: Where checkpoints are kept.
        resume: Go on from the checkpoint in ``folder``, where there is one.

    Returns:
        Predictions for all items by the averaged network at the last step.

    Raises:
        TrainingError: No labels to train on, or the loss became NaN.
        RecipeError: Choices that do not fit the set, the machine, or the checkpoint.
    """
    on_gpu = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    devices = list(range(torch.cuda.device_count())) if on_gpu else []
    with torch.random.fork_rng(devices=devices):  # the caller's random numbers stay theirs
        run = _Run(settle(recipe, data, folder, resume=resume), data, reporter, folder)
        if resume:
            run.load()
        return run.go()


class _Run:
    def __init__(self, recipe: Recipe, data: TrainingData, reporter: Reporter, folder: Path) -> None:
        self.recipe, self.data, self.reporter, self.folder = recipe, data, reporter, folder
        self.began = self.loop_began = time.monotonic()
        self.loop_step = 0
        config = recipe.train_config
        self.tasks = data.trainable()
        if not self.tasks:
            raise TrainingError(
                "There is nothing to train on: no single-choice task has a label outside the audit split. "
                "Label at least one item of each class, then start the run again."
            )
        self.device = choose_device(config.device)
        self.preprocess: Preprocess = plan(data, config, self.device)
        self.precision = choose_precision(
            config.precision, self.device, convolutions=self.preprocess.kind == "image"
        )
        self.shapes = [TaskShape(task.name, task.classes, task.kind) for task in self.tasks]
        entry = METHODS[recipe.method]
        self.method: Method = entry.value(recipe.method_config, self.shapes, len(data))
        self.balancing: Balancing = recipe.build("balancing", self.shapes)
        self.transfer: Transfer = recipe.build("transfer")
        self.sharing: Sharing = recipe.build("sharing")
        self.dice = Dice(recipe.seed, self.device)
        self.pool = Pool(
            data,
            self.tasks,
            self.preprocess,
            sizes=(config.batch, config.batch * config.unlabelled_ratio),
            seed=recipe.seed,
            device=self.device,
        )
        self.no_row_U = torch.zeros(0, dtype=torch.long, device=self.device)
        self.method_views = self.method.views if len(self.pool.free_row_U) else []
        self.network = self._network()
        self.step = 0
        self.spent = 0.0  # seconds of earlier sittings
        self.metrics: dict[str, Any] = {}
        self.notes: list[str] = []
        key_TN = [self._key(task.name) for task in self.tasks]
        self.tally = Tally(self.shapes, key_TN, self.device)
        self.bad_step = torch.full((), -1, device=self.device)
        self.transfer.meet(self._source())
        self.warming = self._warming()
        minutes = config.minutes * 60 * (1 - (self.warming.warm.config.share if self.warming else 0))
        self.budget = Budget(total=config.steps or 1000, seconds=minutes, fixed=config.steps is not None)
        self.average, self.predictor, self.optimiser, self.rate = self._prepare()
        self.evaluation = Evaluation(
            self.tasks,
            self.method,
            self._proba,
            probe_row=probe_rows(self.tasks, self.pool.free_row_U, seed=recipe.seed),
            key_TN=key_TN,
        )

    # -- parts ---------------------------------------------------------------------------------------------

    def _network(self) -> Network:
        torch.manual_seed(self.recipe.seed)
        network = build_network(
            self.preprocess.backbone, self.preprocess.spec(), self.shapes, trunk=self.sharing.trunk
        )
        network.made_by = {
            "sharing": self.recipe.sharing,
            "sharing_config": self.recipe.sharing_config.as_dict(),
            "kinds": [shape.kind for shape in self.shapes],
        }
        if self.preprocess.kind == "image":
            network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        network = network.to(self.device).train()
        for backbone in network.backbone.modules():
            if isinstance(backbone, Backbone):
                backbone.begin(self.pool.prepared, seed=self.recipe.seed)
        return network

    def _warming(self) -> Warming | None:
        if self.recipe.warm_start == "none":
            return None
        warm: WarmStart = self.recipe.build("warm_start")
        config = self.recipe.train_config
        share = warm.config.share
        steps = None if config.steps is None else max(1, round(config.steps * share))
        budget = Budget(total=steps or 300, seconds=config.minutes * 60 * share, fixed=steps is not None)
        return Warming(warm, self.network, self.pool, budget, self.recipe.seed, config.ema, self.precision)

    def _prepare(self) -> tuple[AveragedNetwork, Predictor, torch.optim.Optimizer, float]:
        """All that starts from the network's weights: again after a warm start."""
        config = self.recipe.train_config
        torch.manual_seed(self.recipe.seed + 1)
        if self.warming is None:  # before it is over nothing may be frozen or wrapped
            self.network.warm = self.recipe.warm_start != "none"
            self.transfer.prepare(self.network)
        self.method.own.clear()
        self.method.build(self.network)
        for part in (self.method, self.balancing, self.transfer):
            part.to(self.device)
        average = AveragedNetwork(self.network, config.ema)
        names = [task.name for task in self.tasks]
        predictor = Predictor(average.network, self.preprocess, names, precision=self.precision)
        return average, predictor, *self._optimiser()

    def _optimiser(self) -> tuple[torch.optim.Optimizer, float]:
        config = self.recipe.train_config
        images = self.preprocess.kind == "image"
        rate = config.learning_rate or (0.03 if images else 0.01)
        groups = self.transfer.groups(self.network, rate, config.weight_decay)
        groups += self.method.groups(rate, config.weight_decay)
        groups += split_decay([*self.balancing.own.parameters()], config.weight_decay)
        # not Adam, on features either: it gives every direction the same pull, noise as much as signal, and
        # with 4 labels a class that costs a linear network 25 points (BBC News, TF-IDF+SVD: 0.80 to 0.49)
        held = [group for group in groups if group["params"]]
        return PartlyAdaptive(held, lr=rate, momentum=0.9, nesterov=True), rate

    def _source(self) -> Source:
        """The set, for transfer modes that draw items of their own."""

        def view(name: str, row_B: IntArray, dice: Dice) -> Tensor:
            return self.pool.view(name, self.pool.fetch(row_B), dice)

        names = [task.name for task in self.tasks]
        soft_TNC = [(self.data.soft_target or {}).get(name) for name in names]
        return Source(
            self.pool.label_TN.numpy(), self.pool.free_row_U, soft_TNC, view, self.recipe.seed, names
        )

    def _weights(self) -> list[torch.nn.Parameter]:
        """All that is trained: the network, and what method and balancing put beside it for the run."""
        return [weight for group in self.optimiser.param_groups for weight in group["params"]]

    def _key(self, task: str) -> Tensor | None:
        key_N = (self.data.key_N or {}).get(task)
        return None if key_N is None else torch.from_numpy(np.array(key_N, dtype=np.int64)).to(self.device)

    # -- the loop ------------------------------------------------------------------------------------------

    def go(self) -> TrainingResult:
        self.reporter.progress(self.step, self.budget.total, note=self._device_note())
        self.began = self.loop_began = time.monotonic()  # loading is not part of the budget
        if self.warming is not None and not self._warm_up(self.warming):
            return self._finish(cancelled=True)
        config = self.recipe.train_config
        last_look = last_saved = last_asked = self.tally.since = time.monotonic()
        wait = config.evaluate_every_s
        cancelled = self.reporter.should_cancel()
        self.loop_began, self.loop_step = time.monotonic(), self.step
        while not self.budget.over(self.step) and not cancelled:
            self._step()
            now = time.monotonic()
            if now - last_look >= wait or self._first_look(now):
                self._look()
                last_look = time.monotonic()
                # a slow evaluation (large network, CPU) must not eat the budget: a tenth of the time at most
                wait = max(config.evaluate_every_s, 9 * (last_look - now)) if config.evaluate_every_s else 0.0
            if now - last_saved >= config.checkpoint_every_s:
                self.save()
                last_saved = time.monotonic()
            if now - last_asked >= CANCEL_EVERY_S:
                cancelled = self.reporter.should_cancel()
                last_asked = now
                if self._overdue():
                    break
        self._check_numbers()
        self.save()
        if not cancelled:
            self._look()
        return self._finish(cancelled)

    def _warm_up(self, warming: Warming) -> bool:
        """The warm start to its end, then all that starts from the weights it gave; False where cancelled."""
        config, began = self.recipe.train_config, time.monotonic()
        first, last_look, last_saved, last_asked = warming.step, began, began, began
        title = WARM_STARTS[self.recipe.warm_start].title
        while not warming.over():
            warming.one_step()
            now = time.monotonic()
            if now - last_look >= config.evaluate_every_s:
                for name, value in warming.figures():
                    self.reporter.metric(warming.step, name, value)
                rate = (warming.step - first) / max(now - began, 1e-9)
                warming.budget.measure(warming.step, self._elapsed(), rate)
                self.reporter.progress(warming.step, warming.budget.total, note=f"Warm start: {title}.")
                last_look = now
            if now - last_saved >= config.checkpoint_every_s:
                self.save()
                last_saved = time.monotonic()
            if now - last_asked >= CANCEL_EVERY_S:
                last_asked = now
                if self.reporter.should_cancel():
                    self.save()
                    return False
        for name, value in warming.figures():
            self.reporter.metric(warming.step, name, value)
        state = warming.average.network.backbone.state_dict()
        self.network.backbone.load_state_dict(state)
        self.warming = None
        self.average, self.predictor, self.optimiser, self.rate = self._prepare()
        self.spent, self.began = 0.0, time.monotonic()  # the method's own budget begins here
        return True

    def _overdue(self) -> bool:
        """The machine became so slow that the fixed steps would take half as long again as the user gave."""
        overdue = self.recipe.train_config.steps is None and self._elapsed() > OVERDUE * self.budget.seconds
        if overdue:
            self.notes.append(
                f"Stopped at step {self.step} of {self.budget.total}: the machine became slower."
            )
        return overdue

    def _first_look(self, now: float) -> bool:
        """The first figures come after a second: someone is watching an empty chart."""
        return not self.metrics and now - self.loop_began >= 1.0 and self.tally.steps >= 3

    def _step(self) -> None:
        config = self.recipe.train_config
        self.dice.turn(self.step)
        torch.manual_seed(
            self.recipe.seed * 1_000_003 + self.step
        )  # dropout inside networks, where there is any
        done = self.budget.done(self.step)
        moment = Moment(step=self.step, done=done, teacher=self.average.network)
        self.transfer.at(self.network, done)
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate * group["scale"] * cosine(done)
        if self.transfer.alone(done):
            self._step_alone(moment)
            return
        batch = self.pool.batch(self.step, self.method_views, self.dice)
        with torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32):
            drawn = self.transfer.loss(self.network, moment)
            loss_T, beside, told = self.method.losses(self.network, batch, moment, self.dice.rng)
        beside = beside if drawn is None else beside + drawn
        for penalty in (self.sharing.penalty(self.network.backbone), self.transfer.penalty(self.network)):
            beside = beside if penalty is None else beside + penalty
        self.optimiser.zero_grad(set_to_none=True)
        total = self.balancing.backward(loss_T, beside, self.network)
        if config.clip > 0:
            torch.nn.utils.clip_grad_norm_(self._weights(), config.clip)
        self.optimiser.step()
        self.average.update(self.step)
        first_bad = ~torch.isfinite(total) & (self.bad_step < 0)
        self.bad_step = torch.where(first_bad, self.step, self.bad_step)
        self.tally.add(told, total, batch.row_U)
        self.step += 1

    def _step_alone(self, moment: Moment) -> None:
        """A step in which only the transfer mode learns."""
        with torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32):
            loss = self.transfer.loss(self.network, moment)
        assert loss is not None
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.recipe.train_config.clip > 0:
            torch.nn.utils.clip_grad_norm_(self._weights(), self.recipe.train_config.clip)
        self.optimiser.step()
        self.average.update(self.step)
        total = loss.detach()
        self.bad_step = torch.where(~torch.isfinite(total) & (self.bad_step < 0), self.step, self.bad_step)
        zero = torch.zeros_like(total)
        self.tally.add(Diagnostics(zero, zero, total), total, self.no_row_U)
        self.step += 1

    # -- evaluation ----------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Reads the tally, evaluates the averaged network, and tells the figures."""
        self._check_numbers()
        now = time.monotonic()
        figures: list[tuple[str, float, str | None]] = [(*told, None) for told in self.tally.losses()]
        if figures:
            rate = self.rate * cosine(self.budget.done(self.step))
            figures.append(("learning_rate", rate, None))
        weight_T = self.balancing.weights()
        for index, task in enumerate(self.tasks):
            told = [*self.tally.of_task(index), *self.evaluation.of_task(index)]
            if weight_T is not None and len(self.tasks) > 1:
                told.append(("task_weight", float(weight_T[index])))
            figures += [(metric, value, task.name) for metric, value in told]
        for metric, value, name in figures:
            self.reporter.metric(self.step, metric, value, task=name)
            if name is None:
                self.metrics[metric] = value
            else:
                self.metrics.setdefault(metric, {})[name] = value
        self.tally.clear()
        rate = (self.step - self.loop_step) / max(now - self.loop_began, 1e-9)
        self.budget.measure(self.step, self._elapsed(), rate)
        self.reporter.progress(self.step, self.budget.total)

    def _proba(self, index: int, row_A: IntArray) -> Tensor:
        parts = [
            self.predictor.forward(self.pool.fetch(row_A[start : start + 256]))[0][index].softmax(1)
            for start in range(0, len(row_A), 256)
        ]
        return torch.cat(parts)

    def _check_numbers(self) -> None:
        bad = int(self.bad_step)
        if bad >= 0:
            raise TrainingError(
                f"The loss became NaN or infinite at step {bad}. Expected: a finite number. "
                f"Lower the learning rate (now {self.rate:g}) or the unlabelled weight, keep gradient "
                "clipping on, or set the precision to float32."
            )

    # -- the end, and going on -----------------------------------------------------------------------------

    def _finish(self, cancelled: bool) -> TrainingResult:
        self.transfer.finish(self.average.network)
        self.average.network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        proba: dict[str, FloatArray] = {}
        feature_ND: FloatArray = np.zeros((0, self.network.backbone.width), dtype=np.float16)
        if cancelled:
            self.notes.append(f"Cancelled at step {self.step}; it can be resumed from its checkpoint.")
        else:
            self.reporter.progress(self.step, self.budget.total, note="Predicting all items.")
            proba, feature_ND = self.predictor.predict(self.pool.prepared)
            for task in self.tasks:
                self._judge(task.name, proba[task.name])
        self.metrics["notes"] = self.notes
        self.reporter.progress(self.step, self.budget.total, note=" ".join(self.notes))
        return TrainingResult(
            proba, feature_ND, self.metrics, cancelled, self.step, self._elapsed(), self.predictor
        )

    def _judge(self, name: str, proba_NC: FloatArray) -> None:
        """Last figures over all items, and whether the run can be trusted."""
        task = next(task for task in self.tasks if task.name == name)
        unseen_N = np.asarray(task.label_N) < 0
        unseen_N[task.audit_row_A] = False
        key_N = (self.data.key_N or {}).get(name)
        if key_N is not None and (unseen_N & (key_N >= 0)).any():
            asked_N = unseen_N & (key_N >= 0)
            accuracy = float((proba_NC.argmax(1) == key_N)[asked_N].mean())
            self.metrics.setdefault("key_accuracy", {})[name] = accuracy
            self.reporter.metric(self.step, "key_accuracy", accuracy, task=name)
        over = self.metrics.get("largest_class_over_prior", {}).get(name, 0.0)
        collapsed = over > COLLAPSE
        if collapsed:
            self.notes.append(
                f"Collapsed on {name!r}: one class is given {over:.1f} times as often as the labels say. "
                "Do not adopt this run; label more of the classes that are missing, or raise the threshold."
            )
        baseline = (self.data.baseline_accuracy or {}).get(name)
        audit = self.metrics.get("audit_accuracy", {}).get(name)
        if baseline is not None and audit is not None and audit < baseline:
            collapsed = True
            self.notes.append(
                f"On {name!r} the audit accuracy {audit:.3f} is below that of the supervised head, "
                f"{baseline:.3f}. The head is the better choice."
            )
        self.metrics.setdefault("collapsed", {})[name] = collapsed
        self.reporter.metric(self.step, "collapsed", float(collapsed), task=name)

    def save(self) -> None:
        """Writes the checkpoint; a run that has gone bad never overwrites a good one."""
        self._check_numbers()
        tensors: dict[str, Tensor] = {}
        for prefix, module in self._modules().items():
            tensors |= {f"{prefix}.{name}": tensor for name, tensor in module.state_dict().items()}
        for prefix, state in self._states().items():
            tensors |= {f"{prefix}.{name}": tensor for name, tensor in state.items()}
        warming = self.warming
        optimiser = self.optimiser if warming is None else warming.optimiser
        budget = self.budget if warming is None else warming.budget
        facts = {
            "recipe": self.recipe.as_dict(),
            "tasks": [[shape.name, shape.classes] for shape in self.shapes],
            "items": len(self.data),
            "phase": "learn" if warming is None else "warm",
            "step": self.step if warming is None else warming.step,
            "total": budget.total,
            "fixed": budget.fixed,
            "seconds": self._elapsed(),
            "precision": str(self.precision).removeprefix("torch."),
            "preprocess": self.preprocess.as_dict(),
        }
        write_checkpoint(self.folder / CHECKPOINT, tensors | pack_optimiser(optimiser), facts)

    def _modules(self) -> dict[str, torch.nn.Module]:
        """All modules of the phase, by their prefix in the checkpoint."""
        if self.warming is not None:
            return {
                "network": self.network,
                "average": self.warming.average.network,
                "own": self.warming.warm.own,
            }
        return {
            "network": self.network,
            "average": self.average.network,
            "own": self.method.own,
            "balancing_own": self.balancing.own,
        }

    def _states(self) -> dict[str, dict[str, Tensor]]:
        """All loose tensors of the phase, by their prefix in the checkpoint."""
        if self.warming is not None:
            return {"warm": self.warming.warm.state}
        return {
            "method": self.method.state,
            "balancing": self.balancing.state,
            "transfer": self.transfer.state,
        }

    def load(self) -> None:
        """Takes up the checkpoint of the folder, where there is one.

        Raises:
            RecipeError: It is of another recipe or another set.
        """
        path = self.folder / CHECKPOINT
        if not path.exists():
            return
        tensors, facts = read_checkpoint(path)
        here: dict[str, Any] = {
            "recipe": self.recipe,
            "tasks": [[shape.name, shape.classes] for shape in self.shapes],
            "items": len(self.data),
            "preprocess": Preprocess.parse(self.preprocess.as_dict()),
        }
        there = {name: facts.get(name) for name in here}
        there["recipe"] = Recipe.parse(facts["recipe"])
        there["preprocess"] = Preprocess.parse(facts["preprocess"])
        differing = [name for name in here if here[name] != there[name]]
        if differing:
            raise RecipeError(
                f"The checkpoint in {self.folder} is of another {differing[0]}. "
                f"Expected: {here[differing[0]]}. Received: {there[differing[0]]}. "
                "Start a new run instead of resuming this one."
            )
        if facts.get("phase", "learn") == "learn" and self.warming is not None:
            self.warming = None
            self.average, self.predictor, self.optimiser, self.rate = self._prepare()

        def part(prefix: str) -> dict[str, Tensor]:
            return {
                name.removeprefix(f"{prefix}."): tensor
                for name, tensor in tensors.items()
                if name.startswith(f"{prefix}.")
            }

        for prefix, module in self._modules().items():
            module.load_state_dict(part(prefix))
        for prefix, state in self._states().items():
            held = part(prefix)
            state.update({name: held[name].to(self.device) for name in state})
        warming = self.warming
        unpack_optimiser(self.optimiser if warming is None else warming.optimiser, tensors)
        if warming is None:
            self.step = int(facts["step"])
        else:
            warming.step = int(facts["step"])
        budget = self.budget if warming is None else warming.budget
        budget.total, budget.fixed = int(facts["total"]), bool(facts["fixed"])
        self.spent = float(facts["seconds"])
        self.precision = getattr(torch, facts["precision"])
        self.predictor.precision = self.precision
        self.began = time.monotonic()

    def _elapsed(self) -> float:
        return self.spent + time.monotonic() - self.began

    def _device_note(self) -> str:
        precision = str(self.precision).removeprefix("torch.")
        return f"{self.preprocess.backbone} on {self.device.type}, {precision}."
