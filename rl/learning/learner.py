"""The learner: one step of gradient descent at a time on samples of the replay window.

It owns the network being trained, its optimizer, and an exponential moving average (EMA) of its weights, which is
what plays. A step whose loss or gradient is not finite changes nothing but a count; three of them in a row go back to
the last weights that are known to have given a finite loss and gradient.

After its initialisation, which is drawn from `seed`, nothing here is random: the same batches give the same bytes.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from games.base import Game
from rl.errors import UserError
from rl.learning.lessons import AnyBatch, lessons_of
from rl.learning.lookahead import Reference
from rl.learning.losses import Inputs, Losses, LossWeights, losses_of, measurements
from rl.learning.optimizers import Optimizers
from rl.learning.shards import Shards
from rl.network.allocator import keep_freed_memory
from rl.network.equivariance import Equivariance
from rl.network.kinds import AnyConfig, AnyNetwork, kind_of, make_network
from rl.network.model import Network
from rl.network.precision import native_dtype
from rl.search.driver import SearchConfig
from rl.search.simulator import SIMULATED

BAD_STEPS_BEFORE_ROLLBACK = 3
ROLLBACKS_BEFORE_GIVING_UP = 10
SNAPSHOT_INTERVAL = 100
EQUIVARIANCE_INTERVAL = 16
"""Steps after which weights are brought together again that gradients move alike: rounding and batches differ a bit."""
LearnerPrecision = Literal["auto", "float32", "bfloat16"]
"""See `LearnerConfig.precision`."""
_NOT_NEGATIVE = (
    "warmup_steps",
    "weight_decay",
    "value_loss_weight",
    "ownership_loss_weight",
    "lead_loss_weight",
    "partition_loss_weight",
    "soft_policy_loss_weight",
    "reply_loss_weight",
    "short_value_loss_weight",
)


@dataclass(frozen=True)
class LearnerConfig:
    """How the network is trained."""

    batch_size: int = 128
    """Positions a step."""
    learning_rate: float = 2e-3
    """Peak learning rate of AdamW (Loshchilov and Hutter, 1711.05101), reached after the warm-up."""
    optimizer: Literal["muon", "adamw"] = "muon"
    """What moves the weights between features: Muon (Jordan et al. 2024), or AdamW, which moves all others anyway."""
    muon_learning_rate: float = 1e-2
    """Peak learning rate of Muon."""
    warmup_steps: int = 200
    """Steps over which the learning rate rises linearly from 0."""
    weight_decay: float = 0.01
    """Decoupled weight decay of convolution and linear weights; norms and biases have none."""
    gradient_clip: float = 1.0
    """Gradients with a larger norm are scaled down to it."""
    ema_decay: float = 0.999
    """Share of the old average kept a step; the first steps keep less, lest the initial weights linger."""
    value_loss_weight: float = 1.0
    """Weight of the value loss; the policy loss has 1."""
    ownership_loss_weight: float = 1.0
    """Weight of the ownership loss, where the network has score heads (KataGo: 1.5, its value loss also 1.5)."""
    lead_loss_weight: float = 0.25
    """Weight of the loss of the predicted lead, where the network has score heads."""
    partition_loss_weight: float = 1e-3
    """Weight of the squared logarithms of the softmaxes' denominators, which holds the logits in place (z-loss; PaLM:
    1e-4)."""
    soft_policy_loss_weight: float = 8.0
    """Weight of the soft policy's loss, where the network has that head (KataGo: 8; a softer target has gentler
    gradients)."""
    reply_loss_weight: float = 0.15
    """Weight of the loss of the predicted reply, where the network has that head (KataGo: 0.15)."""
    short_value_loss_weight: float = 0.5
    """Weight of the short-horizon value's squared error, where the network has that head."""
    recall_reference: Reference = "policy"
    """Robots, where records hold what searches saw one step on: the policy to learn is better than this one. policy:
    the newest, so that what it holds for better grows from step to step; proposals: those that the actions were drawn
    from, which is nearer to what was tried, and slower to make up its mind."""
    equivariant: bool = False
    """Boards: whether weights are held the same in all symmetries of the game, so that of a turned board the network
    says the same, turned (Cohen and Welling 2016, 1602.07576; `rl/network/equivariance.py`)."""
    precision: LearnerPrecision = "auto"
    """What convolutions compute in; weights stay float32. `auto`: bfloat16 where that is clearly faster."""

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise UserError(f"learner batch size must be at least 1, not {self.batch_size}")
        for name in ("learning_rate", "muon_learning_rate", "gradient_clip"):
            if not (getattr(self, name) > 0 and math.isfinite(getattr(self, name))):
                raise UserError(f"learner {name.replace('_', ' ')} must be positive, not {getattr(self, name)}")
        for name in _NOT_NEGATIVE:
            if not (getattr(self, name) >= 0 and math.isfinite(getattr(self, name))):
                raise UserError(f"learner {name.replace('_', ' ')} must not be negative, but is {getattr(self, name)}")
        if not 0 <= self.ema_decay < 1:
            raise UserError(f"learner ema decay must be at least 0 and below 1, not {self.ema_decay}")


class LearnerState(NamedTuple):
    """Everything that a later learner needs to go on as if nothing had happened."""

    tensors: dict[str, dict[str, Tensor]]
    """Under `model`, `ema` and `optimizer`: contiguous copies on the CPU, safe to write out while training goes on."""
    counters: dict[str, Any]
    """Numbers for a JSON file."""


class _Snapshot(NamedTuple):
    tensors: dict[str, dict[str, Tensor]]
    ema_updates: int


class Learner:
    """Trains one network. Not thread-safe; `state_dict` and `ema_state_dict` return copies that are."""

    def __init__(
        self,
        game: Game,
        network_config: AnyConfig,
        config: LearnerConfig,
        seed: int,
        *,
        device: str = "cpu",
        num_threads: int = 1,
        search: SearchConfig = SIMULATED,
    ) -> None:
        """`num_threads` share a batch, see `Shards`: they are part of the result. `search` is how a simulated game is
        searched in play: the learner looks ahead in the same way."""
        keep_freed_memory()
        self.config = config
        self.steps = 0
        """Steps asked for, skipped ones included."""
        self.skipped_steps = 0
        """Steps that changed nothing, their loss or gradient not being finite."""
        self.rollbacks = 0
        self.learning_rate = 0.0
        """AdamW's, of the last step."""
        self._progress = 0.0
        self._ema_updates = 0
        self._bad_steps = 0  # in a row
        self._rollbacks_in_a_row = 0
        self._device = torch.device(device)
        self._head = kind_of(game).head()
        if config.precision == "auto":
            self._autocast = native_dtype(self._device) == torch.bfloat16
        else:
            self._autocast = config.precision == "bfloat16"
        network = make_network(game, network_config, seed)
        self.lessons = lessons_of(game, network, self._device, search, config.recall_reference)
        """How batches are taught."""
        self._network: AnyNetwork = network.to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._equivariance = _equivariance(game, self._network, self._device) if config.equivariant else None
        self.ema_network: AnyNetwork = copy.deepcopy(self._network).eval().requires_grad_(False)
        """What plays, in evaluation mode."""
        self._shards = Shards(self._network, num_threads)
        self._optimizers = Optimizers(
            self._network,
            self._network.hidden_weights() if config.optimizer == "muon" else [],
            learning_rate=config.learning_rate,
            muon_learning_rate=config.muon_learning_rate,
            weight_decay=config.weight_decay,
            dtype=torch.bfloat16 if self._autocast else torch.float32,
        )
        self._snapshot = self._take_snapshot()

    # --- training ---------------------------------------------------------------------------------------------------

    def set_progress(self, fraction: float) -> None:
        """Say how much of the planned run is done, 0 to 1, by whatever it is planned in: the rate anneals with it."""
        self._progress = min(max(fraction, 0.0), 1.0)

    def train_step(self, batch: AnyBatch) -> dict[str, float]:
        """One step on a batch; returns its measurements by metric name, those of the batch as it was before the step.

        Raises UserError when rolling back does not help.
        """
        torch.set_num_threads(1)
        self.steps += 1
        share = self._schedule()
        self.learning_rate = self.config.learning_rate * share
        self._optimizers.set_schedule(share)
        buffers = [buffer.clone() for buffer in self._network.buffers()]
        self._optimizers.forget_gradients()
        inputs = self.lessons.inputs(batch, self.ema_network, self.steps)
        self._network.train()
        losses = self._shards.add_gradients(inputs, self._losses)
        if self._equivariance is not None:
            self._equivariance.hold_gradients(self._network)
        norm = nn.utils.clip_grad_norm_(self._network.parameters(), self.config.gradient_clip)
        metrics = measurements(losses, "", {"learner/gradient_norm": norm})  # the step's one wait for the device
        metrics["learner/learning_rate"] = self.learning_rate
        if math.isfinite(metrics["loss/total"]) and math.isfinite(metrics["learner/gradient_norm"]):
            if self.steps % SNAPSHOT_INTERVAL == 0:  # of weights that have just proved to be good
                self._snapshot = self._take_snapshot()
            self._bad_steps = self._rollbacks_in_a_row = 0
            self._optimizers.step()
            self._update_ema()
            if self._equivariance is not None and self.steps % EQUIVARIANCE_INTERVAL == 0:
                self._equivariance.hold(self._network)
                self._equivariance.hold(self.ema_network)
        else:
            self._skip(buffers)
        return metrics

    def evaluate(self, batch: AnyBatch) -> dict[str, float]:
        """Measurements of the averaged weights on a batch held out of training, by metric name (`holdout/...`).

        The mean over all symmetries of the game, so that two evaluations of a batch differ by the weights alone.
        """
        torch.set_num_threads(1)
        inputs = self.lessons.inputs(batch, self.ema_network, self.steps)
        results = []
        with torch.inference_mode():
            for view in self.lessons.views(inputs):
                results.append(measurements(self._losses(self.ema_network, view), "holdout/", {}))
        names = set.intersection(*(set(result) for result in results))
        return {name: sum(result[name] for result in results) / len(results) for name in sorted(names)}

    def ema_state_dict(self) -> dict[str, Tensor]:
        """Copies of the averaged weights, contiguous float32 on the CPU: what the evaluator and agent files take."""
        return {name: _exported(tensor) for name, tensor in self.ema_network.state_dict().items()}

    # --- saving -----------------------------------------------------------------------------------------------------

    def state_dict(self) -> LearnerState:
        tensors = {
            kind: {name: _exported(tensor) for name, tensor in entries.items()}
            for kind, entries in self._live_tensors().items()
        }
        counters = {
            "steps": self.steps,
            "skipped_steps": self.skipped_steps,
            "rollbacks": self.rollbacks,
            "progress": self._progress,
            "learning_rate": self.learning_rate,
            "ema_updates": self._ema_updates,
            "bad_steps": self._bad_steps,
            "rollbacks_in_a_row": self._rollbacks_in_a_row,
        }
        return LearnerState(tensors, counters)

    def start_from(self, network: AnyNetwork) -> None:
        """Begin with the weights of another network of the same shape in the place of random ones. The optimizer knows
        nothing of it, so the rate warms up as ever. Raises UserError, and changes nothing, when it is of another size,
        or not equivariant where that is asked for.
        """
        weights = network.state_dict()
        live = self._live_tensors()
        tensors = {"model": weights, "ema": weights, "optimizer": live["optimizer"]}
        self._check(tensors, "the agent to start from")
        if self._equivariance is not None:
            self._equivariance.check(network)
        self._restore(tensors)
        self._snapshot = self._take_snapshot()

    def load_state_dict(self, tensors: Mapping[str, Mapping[str, Tensor]], counters: Mapping[str, Any]) -> None:
        """Go on from a `state_dict`. Raises UserError, and changes nothing, when it is of another network."""
        self._check(tensors, "the checkpoint")
        self._restore(tensors)
        self.steps = int(counters["steps"])
        self.skipped_steps = int(counters["skipped_steps"])
        self.rollbacks = int(counters["rollbacks"])
        self._progress = float(counters["progress"])
        self.learning_rate = float(counters["learning_rate"])
        self._ema_updates = int(counters["ema_updates"])
        self._bad_steps = int(counters["bad_steps"])
        self._rollbacks_in_a_row = int(counters["rollbacks_in_a_row"])
        self._snapshot = self._take_snapshot()

    # --- parts ------------------------------------------------------------------------------------------------------

    def _schedule(self) -> float:
        """The share of the peak learning rates that this step has: linear warm-up over steps, times half a cosine
        (Loshchilov and Hutter, 1608.03983) over progress."""
        warmup = min(1.0, self.steps / self.config.warmup_steps) if self.config.warmup_steps else 1.0
        return warmup * 0.5 * (1 + math.cos(math.pi * self._progress))

    def _losses(self, network: AnyNetwork, inputs: Inputs) -> Losses:
        observations = inputs.observations.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._autocast):
            output = network(observations, inputs.mask)
        weights = LossWeights(
            self.config.value_loss_weight,
            self.config.ownership_loss_weight,
            self.config.lead_loss_weight,
            self.config.partition_loss_weight,
            self.config.soft_policy_loss_weight,
            self.config.reply_loss_weight,
            self.config.short_value_loss_weight,
        )
        return losses_of(output, inputs, self._head, weights)

    def _update_ema(self) -> None:
        """Average weights and batch-norm statistics. The decay grows as (1 + t) / (10 + t) up to the configured one."""
        decay = min(self.config.ema_decay, (1 + self._ema_updates) / (10 + self._ema_updates))
        self._ema_updates += 1
        averages, currents = [], []
        with torch.no_grad():
            pairs = zip(self.ema_network.state_dict().values(), self._network.state_dict().values(), strict=True)
            for average, current in pairs:
                if average.is_floating_point():
                    averages.append(average)
                    currents.append(current)
                else:
                    average.copy_(current)
            torch._foreach_lerp_(averages, currents, 1 - decay)

    def _skip(self, buffers: list[Tensor]) -> None:
        """Undo what a forward pass alone has changed, and roll back after too many such steps in a row."""
        self.skipped_steps += 1
        self._bad_steps += 1
        for buffer, before in zip(self._network.buffers(), buffers, strict=True):
            buffer.copy_(before)
        if self._bad_steps < BAD_STEPS_BEFORE_ROLLBACK:
            return
        self.rollbacks += 1
        self._rollbacks_in_a_row += 1
        self._bad_steps = 0
        if self._rollbacks_in_a_row >= ROLLBACKS_BEFORE_GIVING_UP:
            steps = ROLLBACKS_BEFORE_GIVING_UP * BAD_STEPS_BEFORE_ROLLBACK
            raise UserError(
                f"learning has failed: {steps} steps in a row had no finite loss; try a lower learning rate"
            )
        self._restore(self._snapshot.tensors)
        self._ema_updates = self._snapshot.ema_updates

    def _live_tensors(self) -> dict[str, dict[str, Tensor]]:
        """All tensors of the state by kind and name, not copied."""
        return {
            "model": self._network.state_dict(),
            "ema": self.ema_network.state_dict(),
            "optimizer": self._optimizers.tensors(),
        }

    def _take_snapshot(self) -> _Snapshot:
        tensors = {
            kind: {name: tensor.clone() for name, tensor in entries.items()}
            for kind, entries in self._live_tensors().items()
        }
        return _Snapshot(tensors, self._ema_updates)

    def _restore(self, tensors: Mapping[str, Mapping[str, Tensor]]) -> None:
        with torch.no_grad():
            for kind, network in (("model", self._network), ("ema", self.ema_network)):
                for name, tensor in network.state_dict().items():
                    tensor.copy_(tensors[kind][name])
        self._optimizers.restore(tensors["optimizer"])

    def _check(self, tensors: Mapping[str, Mapping[str, Tensor]], source: str) -> None:
        if set(tensors) != {"model", "ema", "optimizer"}:
            raise UserError(f"{source} holds {sorted(tensors)}, not model, ema and optimizer")
        for kind, network in (("model", self._network), ("ema", self.ema_network)):
            own = {name: tensor.shape for name, tensor in network.state_dict().items()}
            if {name: tensor.shape for name, tensor in tensors[kind].items()} != own:
                raise UserError(f"{source}: its {kind} weights are of another network, names or shapes differ")
        self._optimizers.check(tensors["optimizer"])


def _equivariance(game: Game, network: AnyNetwork, device: torch.device) -> Equivariance:
    """The constraint on `network`, whose weights it makes equivariant. Raises UserError where that cannot be."""
    if not isinstance(network, Network):
        raise UserError(f"{game.name} is learnt by a network of vectors, which is not equivariant to anything")
    equivariance = Equivariance(game, network, device)
    equivariance.begin(network)
    return equivariance


def _exported(tensor: Tensor) -> Tensor:
    """A contiguous copy on the CPU, whatever the layout and device of the original."""
    return tensor.detach().to("cpu", copy=True).contiguous()
