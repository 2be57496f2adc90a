"""The training loop, the same for every method.

First the warm start, where there is one. Then, a step: batch, views, losses, the balancing's backward pass,
clip, optimiser, averaged weights. Nothing in it waits for the device:
what a step has to tell is summed on the device and read at evaluations. Everything random follows from the
seed and the step, so a killed run goes on from its checkpoint to the same weights, bit for bit on a CPU.
Reported is the averaged network at the last step, never the best one seen, unless the run collapsed on the
way: then the best before that, and the run says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sslcore.augment.dice import Dice
from sslcore.errors import TrainingError
from sslcore.files import make_folder
from sslcore.methods import METHODS
from sslcore.methods.base import Batch, Diagnostics, Method, Moment
from sslcore.models.network import Network, build_network
from sslcore.multitask.base import Balancing, Sharing
from sslcore.pretraining import WARM_STARTS
from sslcore.pretraining.base import WarmStart
from sslcore.shapes import FloatArray, IntArray
from sslcore.training import snapshot
from sslcore.training.best import LEAST_AUDIT, Best
from sslcore.training.collapse import SETTLED, Watch
from sslcore.training.compiling import compile_backbone
from sslcore.training.data import TrainingData
from sslcore.training.device import choose_device, choose_precision, wait_for
from sslcore.training.ema import AveragedNetwork
from sslcore.training.evaluation import Evaluation, audits_the_head, probe_rows
from sslcore.training.fit import refuse
from sslcore.training.fleet import Fleet, launched
from sslcore.training.looking import ground_of
from sslcore.training.memory import forget_device_memory, halved, out_of_memory
from sslcore.training.optimiser import PartlyAdaptive
from sslcore.training.pictures import write_pictures
from sslcore.training.pool import Pool
from sslcore.training.predictor import Predictor
from sslcore.training.prefetch import Ahead
from sslcore.training.preprocess import Preprocess, plan
from sslcore.training.recipe import Recipe
from sslcore.training.report import Reporter, TrainingResult
from sslcore.training.schedule import Budget, Opening, Pace, cosine, rising
from sslcore.training.sizing import settle
from sslcore.training.snapshot import CHECKPOINT
from sslcore.training.step import Descent, Losses
from sslcore.training.tally import Tally
from sslcore.training.valued import Valued, audit_figures
from sslcore.training.warming import Warming
from sslcore.transfer.base import Source, Transfer, split_decay

CANCEL_EVERY_S = 0.2
OVERDUE = 1.5
LOOK_SHARE = 0.1  # of a run's time that its teacher may look at all items for, each time
TIMED = 5  # whole steps that a run with a time budget begins with, to know what one costs
ROWS_TOLD = 64  # rows of a batch that an error names


def train(
    recipe: Recipe, data: TrainingData, reporter: Reporter, *, folder: Path, resume: bool = False
) -> TrainingResult:
    """Runs a recipe on a set.

    Args:
        recipe: All choices.
        data: Items, labels, audit split.
        reporter: Is told figures at every evaluation and asked whether to stop.
        folder: Where checkpoints are kept; made where it is missing, but not what it lies in.
        resume: Go on from the checkpoint in ``folder``, where there is one.

    Returns:
        Predictions for all items by the averaged network at the last step.

    Raises:
        TrainingError: No labels to train on, the loss became NaN, or memory is too small for one item.
        RecipeError: Choices that do not fit the set, the machine, or the checkpoint.
    """
    on_gpu = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    devices = list(range(torch.cuda.device_count())) if on_gpu else []
    with torch.random.fork_rng(devices=devices):  # the caller's random numbers stay theirs
        refuse(recipe, ground_of(recipe, data))
        make_folder(folder.parent, folder.name)
        settled = settle(recipe, data, folder, resume=resume)
        run = _Run(settled, data, reporter, folder, fleet=launched())
        if resume:
            snapshot.load(run)
        elif run.fleet.first:
            Best.forget(folder)
        return run.go()


class _Run:
    def __init__(
        self,
        recipe: Recipe,
        data: TrainingData,
        reporter: Reporter,
        folder: Path,
        *,
        fleet: Fleet | None = None,
    ) -> None:
        self.recipe, self.data, self.reporter, self.folder = recipe, data, reporter, folder
        self.fleet = fleet or Fleet()
        self.began = time.monotonic()
        config = recipe.train_config
        self.tasks, valued = data.trainable(), data.valued()
        if not self.tasks and not valued:
            raise TrainingError(
                "There is nothing to train on: no task has a label outside the audit split. "
                "Label at least one item of each class, then start the run again."
            )
        self.device = self.fleet.device(choose_device(config.device))
        self.preprocess: Preprocess = plan(data, config, self.device)
        self.precision = choose_precision(
            config.precision, self.device, convolutions=self.preprocess.kind == "image"
        )
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision == torch.float16)
        self.shapes = [task.shape for task in self.tasks]
        entry = METHODS[recipe.method]
        self.method: Method = entry.value(recipe.method_config, self.shapes, len(data))
        self.all_shapes = [*self.shapes, *(task.shape for task in valued)]
        self.balancing: Balancing = recipe.build("balancing", self.all_shapes)
        self.transfer: Transfer = recipe.build("transfer")
        self.sharing: Sharing = recipe.build("sharing")
        self.pool = Pool(
            data,
            self.tasks or valued,  # where methods have nothing to learn, items are dealt all the same
            self.preprocess,
            sizes=(config.batch, config.batch * config.unlabelled_ratio),
            seed=recipe.seed,
            device=self.device,
            fleet=self.fleet,
            balanced=config.balanced_batches,
        )
        self.method.dealt = len(self.pool.free_row_U)
        share = self._share(config.batch)
        self.valued = Valued(valued, self.pool.free_row_U, share=share, seed=recipe.seed)
        self.no_row_U = torch.zeros(0, dtype=torch.long, device=self.device)
        self.method_views = self.method.views if len(self.pool.free_row_U) else []
        # one for this step and one for the next, which may be under way
        self.dice = [Dice(recipe.seed + 7919 * self.fleet.rank, self.device) for _ in range(2)]
        self.batches: Ahead[tuple[Batch, Dice]] = Ahead(self._batch)
        self.network = self._network()
        self.step = 0
        self.slower = 1.0  # factor on the learning rate since batches were halved
        self.spent = 0.0  # seconds of earlier sittings
        self.metrics: dict[str, Any] = {}
        self.notes = [
            f"{name!r} is left out: it has no label outside audit splits and flagged items."
            for name in data.left_out()
        ]
        self.watch, self.best = Watch([task.name for task in self.tasks]), Best()
        key_TN = [self._key(task.name) for task in self.tasks]
        self.tally = Tally(self.shapes, key_TN, self.device)
        self.bad_step = torch.full((), -1, device=self.device)
        self.transfer.meet(self._source())
        self.warming = self._warming()
        minutes = config.minutes * 60 * (1 - (self.warming.warm.config.share if self.warming else 0))
        given = config.steps is not None
        self.budget = Budget(total=config.steps or 1000, seconds=minutes, fixed=given, given=given)
        self.pace = Pace()
        first = config.labels_first if self.method.labels_first and self.method_views else 0.0
        self.opening = Opening(first, whole=0 if given else TIMED)
        self.light = False  # whether the last step had labelled items alone
        self._prepare()
        self.evaluation = Evaluation(
            self.tasks,
            self.method,
            self._proba,
            probe_row=probe_rows(self.tasks, self.pool.free_row_U, seed=recipe.seed),
            key_TN=key_TN,
            baseline_T=[(data.baseline or {}).get(task.name) for task in self.tasks],
        )

    # -- parts ---------------------------------------------------------------------------------------------

    def _network(self) -> Network:
        torch.manual_seed(self.recipe.seed)
        network = build_network(
            self.preprocess.backbone,
            self.preprocess.spec(),
            self.all_shapes,
            trunk=self.sharing.trunk,
            norm=self.method.norm,
        )
        network.made_by = {
            "norm": self.method.norm,
            "sharing": self.recipe.sharing,
            "sharing_config": self.recipe.sharing_config.as_dict(),
            "kinds": [shape.kind for shape in self.all_shapes],
            "scales": [None] * len(self.shapes) + self.valued.scales,
        }
        if self.preprocess.kind == "image":
            network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        network = network.to(self.device).train()
        network.backbone.begin(self.pool.prepared, seed=self.recipe.seed)
        return network

    def _warming(self) -> Warming | None:
        if self.recipe.warm_start == "none":
            return None
        warm: WarmStart = self.recipe.build("warm_start")
        config = self.recipe.train_config
        share = warm.config.share
        steps = None if config.steps is None else max(1, round(config.steps * share))
        budget = Budget(total=steps or 300, seconds=config.minutes * 60 * share, fixed=steps is not None)
        # float16 wants its gradients scaled, and a warm start has no scaler
        precision = torch.float32 if self.precision == torch.float16 else self.precision
        return Warming(warm, self.network, self.pool, budget, self.recipe.seed, config.ema, precision)

    def _prepare(self) -> None:
        """All that starts from the network's weights: again after a warm start."""
        config = self.recipe.train_config
        torch.manual_seed(self.recipe.seed + 1)
        if self.warming is None:  # before it is over nothing may be frozen or wrapped
            self.network.warm = self.recipe.warm_start != "none"
            self.transfer.prepare(self.network)
        self.method.own.clear()
        self.method.build(self.network.of_first(len(self.tasks)))
        for part in (self.method, self.balancing, self.transfer):
            part.to(self.device)
        self.average = AveragedNetwork(self.network, config.ema)
        names = [shape.name for shape in self.all_shapes]
        self.predictor = Predictor(self.average.network, self.preprocess, names, precision=self.precision)
        self.optimiser, self.rate = self._optimiser()
        self.descent = Descent(
            self.optimiser, self.balancing, self.network, clip=config.clip, scaler=self.scaler
        )
        if config.compile and self.warming is None:
            view_B = self.pool.views.plain(self.pool.fetch(self.pool.free_row_U[:8]))
            failed = compile_backbone(self.network, view_B, self.precision)
            self.notes += [failed] if failed else []
        self.losses = Losses(self.network, self.method, self.sharing, self.transfer, self.valued)
        self.trained: tuple[bool, ...] = ()
        self.forward: torch.nn.Module = self.losses

    def _optimiser(self) -> tuple[torch.optim.Optimizer, float]:
        config = self.recipe.train_config
        rate = config.learning_rate or min(self.network.backbone.learning_rate, self.method.fastest)
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
            self.pool.label_TN.numpy(),
            self.pool.free_row_U,
            soft_TNC,
            view,
            self.recipe.seed,
            names,
            None if self.data.teacher is None else self._teach,
        )

    def _teach(self) -> list[FloatArray | None]:
        """What the teacher says of the items as the averaged network sees them now; nothing where looking
        at all of them would leave too little time to learn."""
        assert self.data.teacher is not None
        began = time.monotonic()
        if not self.budget.given and self._looking() > LOOK_SHARE * self.budget.seconds:
            self._note(f"The teacher was not asked at step {self.step}: that would take too long.")
            return [None for _ in self.tasks]
        self.reporter.progress(self.step, self.budget.total, note="The teacher looks at what was learned.")
        said = self.data.teacher(self.predictor.predict(self.pool.prepared)[1])
        self.budget.lose(time.monotonic() - began, self.step)
        return [said.get(task.name) for task in self.tasks]

    def _looking(self) -> float:
        """Seconds that a look at all items takes about: forward alone is a third of a step."""
        labelled, unlabelled = self.pool.sizes
        passed = self.pace.seconds / max(self.pace.steps, 1)
        return passed * len(self.data) / (3 * (labelled + 2 * unlabelled))

    def _key(self, task: str) -> Tensor | None:
        key_N = (self.data.key_N or {}).get(task)
        return None if key_N is None else torch.from_numpy(np.array(key_N, dtype=np.int64)).to(self.device)

    def _batch(self, step: int) -> tuple[Batch, Dice]:
        """The batch of a step and the dice it was made with, at the place where the method goes on."""
        dice = self.dice[step % 2]
        dice.turn(step)
        alone = self.opening.holds(step, self.budget)
        batch = self.pool.batch(step, [] if alone else self.method_views, dice)
        if len(self.valued):
            row_U = batch.row_U.cpu().numpy()
            batch = replace(batch, valued=self.valued.batch(step, self.pool, dice, row_U))
        return batch, dice

    def _works_ahead(self) -> bool:
        """Whether a thread makes the next batch: where the device would wait for the host's memory.

        On a CPU it would take its time from the step itself (measured: docs/measured.md).
        """
        return self.pool.from_host() and self.device.type == "cuda"

    # -- the loop ------------------------------------------------------------------------------------------

    def go(self) -> TrainingResult:
        self.reporter.progress(self.step, self.budget.total, note=self._device_note())
        self.began = time.monotonic()  # loading is not part of the budget
        if self.warming is not None and not self._warm_up(self.warming):
            return self._finish(cancelled=True)
        with self.batches:
            if self._works_ahead():
                self.batches.start()
            cancelled = self._learn()
        self._check_numbers()
        self.save()
        if not cancelled and self.fleet.first:
            self._look()
        return self._finish(cancelled)

    def _learn(self) -> bool:
        """All steps of the method; whether it was told to stop."""
        config = self.recipe.train_config
        last_look = last_saved = last_asked = self.tally.since = time.monotonic()
        wait = config.evaluate_every_s
        cancelled = self.reporter.should_cancel()
        while not self.budget.over(self.step) and not cancelled:
            self._step_in_memory()
            self._wait()
            now = time.monotonic()
            self.pace.tick(now, counts=not self.light)
            if not self.fleet.due(self.step):
                continue
            overdue = False
            if self.fleet.first:
                self._measure()
                if now - last_look >= wait or self._first_look(now):
                    self._look()
                    last_look = time.monotonic()
                    # a slow evaluation (large network, CPU) must not eat the budget: a tenth of it at most
                    wait = config.evaluate_every_s and max(config.evaluate_every_s, 9 * (last_look - now))
                if now - last_saved >= config.checkpoint_every_s:
                    self.save()
                    last_saved = time.monotonic()
                if now - last_asked >= CANCEL_EVERY_S:
                    cancelled = self.reporter.should_cancel()
                    last_asked = now
                    overdue = self._overdue()
            told = self.fleet.agree([cancelled, overdue, *self.budget.as_list()])
            cancelled, overdue = bool(told[0]), bool(told[1])
            self.budget.read(told[2:])
            if overdue:
                break
        return cancelled

    def _warm_up(self, warming: Warming) -> bool:
        """The warm start to its end, then all that starts from the weights it gave; False where cancelled."""
        config, began = self.recipe.train_config, time.monotonic()
        last_look, last_saved, last_asked = began, began, began
        pace = Pace()
        title = WARM_STARTS[self.recipe.warm_start].title
        while not warming.over():
            self._in_memory(warming.one_step, lambda: self._halve_warming(warming))
            now = time.monotonic()
            pace.tick(now)
            if pace.steps:
                warming.budget.measure(warming.step, self.elapsed(), pace.rate)
            if now - last_look >= config.evaluate_every_s:
                for name, value in warming.figures():
                    self.reporter.metric(warming.step, name, value)
                self._show(warming.step, warming.warm.picture)
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
        self._show(warming.step, warming.warm.picture)
        state = warming.average.network.backbone.state_dict()
        self.network.backbone.load_state_dict(state)
        self.end_warm_up()
        self.spent, self.began = 0.0, time.monotonic()  # the method's own budget begins here
        return True

    def end_warm_up(self) -> None:
        """From the warm start's weights on to the method."""
        self.warming = None
        self._prepare()

    def _measure(self) -> None:
        """How many steps fit the time, by those there were: after each step, or what the run does would hang
        on when it is looked at."""
        if self.pace.steps:
            alike = not self._labels_alone()
            self.budget.measure(self.step, self.elapsed(), self.pace.rate, final=alike)

    def _wait(self) -> None:
        """For a device that lags behind, where what comes after a step costs something else."""
        timed = self.step <= self.opening.whole or self.step == self.opening.end
        if timed and self.opening.share and not self.budget.given:
            wait_for(self.device)

    def _labels_alone(self) -> bool:
        """Whether the run is in its first part, which learns labelled items alone."""
        return self.opening.end is None and not self.transfer.alone(self.budget.done(self.step))

    def _overdue(self) -> bool:
        """Whether the steps became so slow that the run has taken half as long again as the user gave."""
        overdue = self.recipe.train_config.steps is None and self.elapsed() > OVERDUE * self.budget.seconds
        if overdue:
            counted = self.budget.fixed
            why = f" of {self.budget.total}: its steps became slower, and" if counted else ":"
            self.notes.append(f"Stopped at step {self.step}{why} half as much time again as it had is over.")
        return overdue

    def _first_look(self, now: float) -> bool:
        """The first figures come after a second: someone is watching an empty chart."""
        return not self.metrics and now - self.began >= 1.0 and self.tally.steps >= 3

    def _step(self) -> None:
        done = self.budget.done(self.step)
        moment = Moment(step=self.step, done=done, teacher=self.average.network)
        self.transfer.at(self.network, done)
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate(done) * group["scale"]
        alone = self.transfer.alone(done)
        made = None if alone else self.batches.take(self.step)
        if self.opening.steps and self.step == self.opening.end:  # steps cost more from here on
            self._wait()
            self.pace.tick(time.monotonic(), counts=False)
        self.light = made is not None and bool(self.method_views) and not made[0].views
        # dropout inside networks, where there is any; other items in each process, other draws
        torch.manual_seed(self.recipe.seed * 1_000_003 + self.step + 7919 * self.fleet.rank)
        if made is None:
            with self._autocast():
                loss = self.transfer.loss(self.network, moment)
            assert loss is not None
            total = self.descent.alone(loss)
            told, row_U = Diagnostics(torch.zeros_like(total), torch.zeros_like(total), total), self.no_row_U
        else:
            batch, dice = made
            forward = self._forward()
            with self._autocast():
                loss_T, beside, told = forward(batch, moment, dice.rng)
            total, row_U = self.descent.down(loss_T, beside), batch.row_U
        self._keep_alike()
        self.average.update(self.step)
        self.bad_step = torch.where(~torch.isfinite(total) & (self.bad_step < 0), self.step, self.bad_step)
        self.tally.add(told, total, row_U)
        self.step += 1

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32)

    def _rate(self, done: float) -> float:
        return self.rate * self.slower * rising(done, self.network.backbone.rising) * cosine(done)

    def _forward(self) -> torch.nn.Module:
        """The losses, wrapped anew where several devices learn and a transfer mode has freed weights."""
        if self.fleet.size > 1:
            trained = tuple(weight.requires_grad for weight in self.losses.parameters())
            if trained != self.trained:
                self.trained, self.forward = trained, self.fleet.wrap(self.losses)
        return self.forward

    def _keep_alike(self) -> None:
        """What each process learned from its share of the batch, beside gradients of the network."""
        if self.fleet.size > 1:
            self.fleet.mean_(self.method.state.values())
            self.fleet.mean_(self.balancing.state.values())
            self.fleet.mean_(self.balancing.own.parameters())

    # -- memory --------------------------------------------------------------------------------------------

    def _step_in_memory(self) -> None:
        self._in_memory(self._step, self._halve)

    def _in_memory(self, step: Callable[[], None], halve: Callable[[], None]) -> None:
        """A step, with smaller batches where memory does not hold this one."""
        while True:
            try:
                return step()
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                if self.fleet.size > 1:  # the other processes wait for this one's gradients
                    raise TrainingError(
                        f"Memory ran out on device {self.fleet.rank} of {self.fleet.size}. Expected: room "
                        f"for {self.pool.sizes[0]} labelled items over all devices. Choose a smaller batch, "
                        "or one device, where batches are halved by themselves."
                    ) from None
            # outside of the handler: the traceback held the step's tensors
            self.optimiser.zero_grad(set_to_none=True)
            self.batches.forget()
            forget_device_memory(self.device)
            halve()

    def _halve(self) -> None:
        before, sizes = self.pool.sizes, halved(self.pool.sizes)
        self.resize(sizes)
        self.slower *= sum(sizes) / sum(before)
        self._note(
            f"Memory ran out at step {self.step} with {before[0]} labelled and {before[1]} unlabelled items; "
            f"it goes on with {sizes[0]} and {sizes[1]}, and a learning rate of {self._rate(0):.2g} at most."
        )

    def resize(self, sizes: tuple[int, int]) -> None:
        """Sets how many labelled and unlabelled items a step has, those beside the method with them."""
        self.pool.resize(sizes)
        self.valued.resize(self._share(sizes[0]))

    def _share(self, labelled: int) -> int:
        """Items of a step for each task beside the method."""
        return max(1, labelled // len(self.all_shapes))

    def _halve_warming(self, warming: Warming) -> None:
        before = warming.stream.size
        warming.resize(halved((before, 0))[0])
        self._note(
            f"Memory ran out in the warm start with {before} items in a batch; "
            f"it goes on with {warming.stream.size}."
        )

    def _note(self, line: str) -> None:
        """A line for the user, now and at the end."""
        self.notes.append(line)
        self.reporter.progress(self.step, self.budget.total, note=line)

    # -- evaluation ----------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Reads the tally, evaluates the averaged network, and tells the figures."""
        self._check_numbers()
        losses = self.tally.losses()
        if losses:
            losses.append(("learning_rate", self._rate(self.budget.done(self.step))))
        if self.opening.steps and "labels_first" not in self.metrics:
            losses.append(("labels_first", float(self.opening.steps)))
        for metric, value in losses:
            self.metrics[metric] = value
            self.reporter.metric(self.step, metric, value)
        weight_T = self.balancing.weights()
        for index, task in enumerate(self.tasks):
            told = [*self.tally.of_task(index), *self.evaluation.of_task(index)]
            if weight_T is not None and len(self.all_shapes) > 1:
                told.append(("task_weight", float(weight_T[index])))
            self._tell(task.name, told)
        self._look_at_valued(weight_T)
        self.tally.clear()
        self._keep_best()
        self._show(self.step, self.method.picture)
        note = "First labelled items alone." * self._labels_alone()
        self.reporter.progress(self.step, self.budget.total, note=note)

    def _look_at_valued(self, weight_T: Tensor | None) -> None:
        """Figures of the tasks beside the method: there is no class to collapse to."""
        for index, task in enumerate(self.valued.tasks, len(self.tasks)):
            row_A = np.asarray(task.audit_row_A)
            told = audit_figures(task, self._proba(index, row_A).cpu().numpy()) if len(row_A) else []
            if weight_T is not None and len(self.all_shapes) > 1:
                told.append(("task_weight", float(weight_T[index])))
            for metric, value in told:
                self.reporter.metric(self.step, metric, value, task=task.name)
                self.metrics.setdefault(metric, {})[task.name] = value

    def _tell(self, task: str, figures: list[tuple[str, float]]) -> None:
        """Figures of a task, and what they say of a collapse."""
        for metric, value in figures:
            self.reporter.metric(self.step, metric, value, task=task)
            self.metrics.setdefault(metric, {})[task] = value
        news = self.watch.look(task, self.step, self.budget.done(self.step), dict(figures))
        if news:
            self._note(news)
            collapsed = float(self.watch.collapsed(task))
            self.reporter.metric(self.step, "collapsed", collapsed, task=task)

    def _keep_best(self) -> None:
        """Offers the averaged weights of now to those worth going back to."""
        if not self.watch.sound():
            return
        audited = {task.name: len(task.audit_row_A) for task in self.tasks}
        audited = {name: size for name, size in audited.items() if size >= LEAST_AUDIT}
        accuracy = self.metrics.get("audit_accuracy", {})
        if audited:
            score = sum(size * accuracy[name] for name, size in audited.items()) / sum(audited.values())
        elif self.budget.done(self.step) < SETTLED:
            return  # they have hardly begun to learn: even those after a collapse may know more
        else:
            score = float(self.step)
        self.best.offer(self.step, score, self.average.network)

    def _show(self, step: int, picture: Callable[[torch.Generator], dict[str, Tensor] | None]) -> None:
        """Writes the pictures of now; their draws are their own."""
        rng = torch.Generator(device=self.device).manual_seed(self.recipe.seed * 1_000_003 + step)
        with torch.no_grad():
            write_pictures(self.folder, step, picture(rng))

    def _proba(self, index: int, row_A: IntArray) -> Tensor:
        """What a task's head says of rows, as the predictor would say it."""
        many, name = self.preprocess.at_once, self.all_shapes[index].name
        parts = [
            self.predictor.forward(self.pool.fetch(row_A[start : start + many]))[0][index]
            for start in range(0, len(row_A), many)
        ]
        return self.predictor.answer(name, torch.cat(parts))

    def _check_numbers(self) -> None:
        bad = int(self.bad_step)
        if bad < 0:
            if self.step == 0 or self.descent.finite():
                return
            bad = self.step - 1  # a finite loss whose gradient was not: its step has spoilt the weights
        self.batches.close()
        views = [] if self.opening.holds(bad, self.budget) else self.method_views
        row_B, row_U = self.pool.rows(bad, unlabelled=bool(views))
        rows = [*row_B.tolist(), *row_U.tolist()][:ROWS_TOLD]
        raise TrainingError(
            f"The loss became NaN or infinite at step {bad}, with a learning rate of "
            f"{self._rate(self.budget.done(bad)):.3g} and {len(row_B)} labelled and {len(row_U)} unlabelled "
            "items in the batch. Expected: a finite number. Lower the learning rate or the unlabelled "
            "weight, keep gradient clipping on, or set the precision to float32; and look at the items of "
            "that batch.",
            rows=rows,
        )

    # -- the end -------------------------------------------------------------------------------------------

    def save(self) -> None:
        """Writes the checkpoint; a run that has gone bad never overwrites a good one."""
        self._check_numbers()
        if self.fleet.first:
            snapshot.save(self)

    def _finish(self, cancelled: bool) -> TrainingResult:
        if not self.fleet.first:
            return TrainingResult(
                {}, np.zeros((0, 0)), self.metrics, True, self.step, self.elapsed(), self.predictor
            )
        if not cancelled:
            self._fall_back()
        proba: dict[str, FloatArray] = {}
        feature_ND: FloatArray = np.zeros((0, self.network.backbone.width), dtype=np.float16)
        if cancelled:
            self._plain()
            stopped = f"Cancelled at step {self.step}; it can be resumed from its checkpoint."
            notes = [*self.notes, stopped]
        else:
            self.reporter.progress(self.step, self.budget.total, note="Predicting all items.")
            snapshot.save(self, done=True)
            self._plain()
            proba, feature_ND = self.predictor.predict(self.pool.prepared)
            for task in self.tasks:
                self._judge(task.name, proba[task.name])
            notes = self.notes
        self.metrics["notes"] = notes
        self.reporter.progress(self.step, self.budget.total, note=" ".join(notes))
        held = {task.name: self.method.history(place) for place, task in enumerate(self.tasks)}
        history = {name: found.events() for name, found in held.items() if found is not None}
        return TrainingResult(
            proba, feature_ND, self.metrics, cancelled, self.step, self.elapsed(), self.predictor, history
        )

    def _plain(self) -> None:
        """The averaged network as anyone can read it."""
        self.transfer.finish(self.average.network)
        self.average.network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]

    def _fall_back(self) -> None:
        """After a collapse, the best weights from before it, where there are any."""
        gone = [task.name for task in self.tasks if self.watch.collapsed(task.name)]
        if not gone or self.best.step < 0:
            return
        audited = any(len(task.audit_row_A) >= LEAST_AUDIT for task in self.tasks)
        how = "the best audited ones, so their audit figures flatter" if audited else "the last sound ones"
        why = " ".join(self._collapse_of(name) for name in gone)
        self.best.restore(self.average.network)
        self.watch = Watch([task.name for task in self.tasks])
        self.evaluation.forget()  # answers of other weights: no flips are counted from them
        for index, task in enumerate(self.tasks):
            self._tell(task.name, self.evaluation.of_task(index))
        self.metrics["reported_step"] = self.best.step
        self.notes.append(f"{why} Its predictions are those of step {self.best.step}: {how}.")

    def _collapse_of(self, name: str) -> str:
        """A task's collapse as it stands at the end, in place of what was told of it on the way."""
        said = (f"Collapsed on {name!r}", f"Recovered on {name!r}")
        self.notes[:] = [note for note in self.notes if not note.startswith(said)]
        since = self.watch.signs[name].since
        when = "" if since is None else f" from step {since} on"
        return f"Collapsed on {name!r}{when}: {self.watch.why(name)}"

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
        collapsed = self.watch.collapsed(name)
        baseline = (self.data.baseline or {}).get(name)
        audit = self.metrics.get("audit_accuracy", {}).get(name)
        if collapsed:
            help = self.watch.help(name)
            self.notes.append(f"{self._collapse_of(name)} Do not adopt this run. {help}")
        elif baseline is not None and audit is not None and audits_the_head(task):
            head = float((baseline.said_N[task.audit_row_A] == task.audit_label_A).mean())
            if audit < head:
                self.notes.append(
                    f"On {name!r} the audit accuracy {audit:.3f} is below that of the supervised head, "
                    f"{head:.3f}, by no more than chance allows."
                )
        elif (doubt := self.watch.doubt(name)) is not None:
            self.notes.append(
                f"On {name!r} it is below the supervised head with a probability of {doubt:.0%}, by how "
                f"often the two agree. {LEAST_AUDIT} audit answers would tell."
            )
        self.metrics.setdefault("collapsed", {})[name] = collapsed
        self.reporter.metric(self.step, "collapsed", float(collapsed), task=name)

    def elapsed(self) -> float:
        """Seconds in the loop, over all sittings."""
        return self.spent + time.monotonic() - self.began

    def _device_note(self) -> str:
        precision = str(self.precision).removeprefix("torch.")
        several = f"{self.fleet.size} devices, " if self.fleet.size > 1 else ""
        labelled, unlabelled = self.pool.sizes
        return (
            f"{self.preprocess.backbone} on {several}{self.device.type}, {precision}; "
            f"{self.preprocess.told()}{labelled} labelled and {unlabelled} unlabelled items a step."
        )


__all__ = ["CHECKPOINT", "Reporter", "TrainingResult", "train"]
