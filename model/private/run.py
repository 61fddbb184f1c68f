"""One training with differential privacy, noisy step by noisy step."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from model.data.codec import Encoded
from model.diffusion.denoiser import Denoiser
from model.diffusion.ema import EMA
from model.learning_rate import highest_rate, mean_factor, rate_factor
from model.objective import Batch, Denoising
from model.private import noise, statistics
from model.private.accounting import epsilon_by_steps
from model.private.gradients import ClippedSum
from model.private.opening import Opening, Task
from model.private.units import Units
from model.spec.files import PLAIN, Files
from model.training_checkpoint import TrainingProgress, read_checkpoint, write_checkpoint
from model.training_run import Fitted, TrainingSummary, dimensions_of

LEARNING_RATE = 2e-3


class PrivateFitting:
    """The state of a private training between its steps (DP-SGD: Abadi et al. 2016, with Adam).

    The seed decides how the network begins and nothing else: samples and noise can be neither known nor repeated.
    Every step that is begun is spent, also where its process dies and another does the step again: `journal` has a
    byte for each.
    """

    def __init__(self, task: Task, opening: Opening, *, journal: Path | None) -> None:
        self.task, self.opening, self.journal = task, opening, journal
        self.codec = opening.codec(task.schema)
        self.units = Units.of(task.stays)
        self.device = task.compute.torch_device()
        self.learning_rate = task.training.learning_rate or LEARNING_RATE
        self.step, self.elapsed = 0, 0.0
        self.begun = journal.stat().st_size if journal is not None and journal.exists() else 0
        self.epsilon_after = epsilon_by_steps(opening.plan, opening.delta)
        self.data = _on(self.device, self.codec.encode(task.stays))
        self._build()

    def _build(self) -> None:
        objective = Denoising(self.task.network, self.task.training)
        marginals = statistics.log_marginals(self.opening.statistics(self.task.schema), self.task.schema)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.task.seed)
            generator = torch.Generator().manual_seed(self.task.seed)
            dimensions = dimensions_of(self.codec, self.task.stays.sequence_length)
            start = torch.as_tensor(marginals, dtype=torch.float32)
            self.module = objective.build(dimensions, start, generator=generator).to(self.device)
        self.ema = EMA(self.module, decay=self.task.training.ema_decay)
        self.optimiser = torch.optim.Adam(
            [dict(group) for group in objective.parameter_groups(self.module)], lr=self.learning_rate, fused=True
        )
        self.clipped = ClippedSum(self.module, self.task.training, max_norm=self.task.budget.max_grad_norm)

    @property
    def stage(self) -> str:
        """What is being done, for whoever watches: a function of the number of steps alone."""
        allowed = self.task.budget.epsilon
        tenths = math.ceil(10 * self.epsilon_after(self.begun) / allowed)
        return f"training (epsilon {tenths / 10 * allowed:.3g} of {allowed:g} spent)"

    @property
    def history(self) -> Sequence[tuple[int, float]]:
        """None: a loss would be measured on stays, without noise."""
        return ()

    @property
    def fraction(self) -> float:
        """Share of the training that is done, by the budget or by minutes, whichever is further."""
        minutes = self.task.training.max_minutes
        by_time = 0.0 if minutes is None else self.elapsed / (60 * minutes)
        return min(1.0, max(self.begun / self.opening.plan.steps, by_time))

    @property
    def finished(self) -> bool:
        """Whether the budget or the time is used up."""
        return self.fraction >= 1.0

    @property
    def expected_steps(self) -> int:
        """Steps of the whole training: those that had to be done again are missing from it."""
        return self.opening.plan.steps - (self.begun - self.step)

    def advance(self) -> None:
        """One step: a Poisson sample of the units, the sum of their clipped gradients, noise, Adam."""
        start = time.monotonic()
        self._spend()
        chosen = torch.as_tensor(self.units.draw(self.opening.plan.sample_rate), device=self.device)
        batch = Batch(*(tensor[chosen] for tensor in self.data))
        self._descend(self.clipped(batch, generator=noise.generator(self.device)))
        self.ema.update(self.module, self.step)
        self.step += 1
        self.elapsed += time.monotonic() - start

    def _spend(self) -> None:
        if self.journal is not None:
            with self.journal.open("ab") as file:
                file.write(b".")
        self.begun += 1

    def _descend(self, total: dict[str, Tensor]) -> None:
        """Adam along the sum with noise, over the expected number of units: the true one would tell of the sample."""
        plan = self.opening.plan
        deviation = plan.noise_multiplier * self.task.budget.max_grad_norm
        for name, value in total.items():
            draws = torch.as_tensor(noise.normal(value.numel())).view_as(value).to(value)
            self.clipped.learned[name].grad = (value + deviation * draws) / (plan.sample_rate * self.units.size)
        factor = rate_factor(self.task.training, step=self.step, fraction=self.fraction)
        factors = self.expected_steps * mean_factor(self.task.training)
        for group in self.optimiser.param_groups:
            group["lr"] = highest_rate(group, learning_rate=self.learning_rate, total=factors) * factor
        self.optimiser.step()

    def result(self) -> Fitted[Denoiser]:
        """The averaged weights of the last step, on the CPU: to choose the best ones would tell of the data."""
        averaged = copy.deepcopy(self.module).requires_grad_(False)
        self.ema.copy_to(averaged)
        summary = TrainingSummary(
            steps=self.step,
            seconds=self.elapsed,
            batch_size=self.task.batch_size,
            learning_rate=self.learning_rate,
            validation_loss=None,
            best_step=self.step,
            device=self.device.type,
            precision="float32",
            history=(),
        )
        return Fitted(averaged.cpu().eval(), summary)

    def save(self, path: Path, files: Files = PLAIN) -> None:
        """Write all that a later run needs to go on from here, and no state of a generator."""
        tensors = self.opening.tensors()
        for name, value in self.module.named_parameters():
            tensors |= {f"value/{name}": value.detach(), f"average/{name}": self.ema.averages[name]}
            tensors |= {f"{key}/{name}": moment for key, moment in self.optimiser.state.get(value, {}).items()}
        progress = TrainingProgress(self.step, self.elapsed, best_loss=0, best_step=0, history=[], bfloat16=False)
        write_checkpoint(path, tensors, progress, fingerprint=self.task.fingerprint(), files=files)

    @torch.no_grad()
    def restore(self, path: Path, files: Files = PLAIN) -> None:
        """Go on from what `save` wrote; CheckpointError if it is damaged or belongs to another training."""
        tensors, progress = read_checkpoint(path, fingerprint=self.task.fingerprint(), device=self.device, files=files)
        self.step, self.elapsed = progress.step, progress.elapsed
        self.begun = max(self.begun, self.step)
        for name, value in self.module.named_parameters():
            value.copy_(tensors[f"value/{name}"])
            self.ema.averages[name] = tensors[f"average/{name}"]
            moments = {key: tensors.get(f"{key}/{name}") for key in ("step", "exp_avg", "exp_avg_sq")}
            if moments["exp_avg"] is not None:
                self.optimiser.state[value] = moments


def _on(device: torch.device, encoded: Encoded) -> Batch:
    return Batch(*(torch.as_tensor(array).to(device) for array in encoded))
