"""What moves the weights: Muon those that map features to features, AdamW all others, as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rl.errors import UserError
from rl.learning.muon import Muon


@dataclass(frozen=True)
class _Part:
    optimizer: torch.optim.Optimizer
    rate: float
    """Its learning rate at the peak of the schedule."""


class Optimizers:
    """The optimizers of one network, each with parameters of its own."""

    def __init__(
        self,
        network: nn.Module,
        hidden_weights: Sequence[Tensor],
        *,
        learning_rate: float,
        muon_learning_rate: float,
        weight_decay: float,
        dtype: torch.dtype,
    ) -> None:
        """Muon moves `hidden_weights`, computing in `dtype`; AdamW moves the other parameters of `network`."""
        hidden = {id(weight) for weight in hidden_weights}
        others = [parameter for parameter in network.parameters() if id(parameter) not in hidden]
        adamw = torch.optim.AdamW(_groups(others, weight_decay), fused=True)
        self._parts = [_Part(adamw, learning_rate)]
        if hidden_weights:
            self._parts.append(_Part(Muon(hidden_weights, weight_decay, dtype), muon_learning_rate))
        self._names = {id(parameter): name for name, parameter in network.named_parameters()}

    def set_schedule(self, share: float) -> None:
        """Have steps be taken at `share` of the peak learning rates."""
        for part in self._parts:
            for group in part.optimizer.param_groups:
                group["lr"] = part.rate * share

    def forget_gradients(self) -> None:
        """Free the gradients."""
        for part in self._parts:
            part.optimizer.zero_grad(set_to_none=True)

    def step(self) -> None:
        """Move all parameters by their gradients."""
        for part in self._parts:
            part.optimizer.step()

    def decayed(self) -> set[str]:
        """The names of the parameters that decay."""
        groups = [group for part in self._parts for group in part.optimizer.param_groups if group["weight_decay"] > 0]
        return {self._names[id(parameter)] for group in groups for parameter in group["params"]}

    # --- saving -----------------------------------------------------------------------------------------------------

    def tensors(self) -> dict[str, Tensor]:
        """The state as it stands, not copied, as `entry.parameter`; empty before the first step."""
        return {
            f"{entry}.{self._names[id(parameter)]}": tensor
            for part in self._parts
            for parameter, entries in part.optimizer.state.items()
            for entry, tensor in entries.items()
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the state that `tensors` held; they are copied."""
        owners = self._owners()
        for part in self._parts:
            part.optimizer.state.clear()
        for called, tensor in tensors.items():
            entry, name = called.split(".", 1)
            part, parameter = owners[name]
            # As its parameter is laid out in memory, which the fused step asks for; the step count is a scalar.
            own = torch.empty_like(parameter, requires_grad=False) if tensor.dim() else torch.empty_like(tensor)
            part.optimizer.state[parameter][entry] = own.copy_(tensor)

    def check(self, tensors: Mapping[str, Tensor]) -> None:
        """Raise UserError, in one line, where `tensors` are no state of these optimizers."""
        owners = self._owners()
        for called, tensor in tensors.items():
            entry, _, name = called.partition(".")
            fits = name in owners and tensor.shape in (owners[name][1].shape, torch.Size())
            if not fits or (entry == "momentum") != isinstance(owners[name][0].optimizer, Muon):
                raise UserError(f"the checkpoint's optimizer state is of another network: {called} does not fit")

    def _owners(self) -> dict[str, tuple[_Part, Tensor]]:
        """By name, each parameter and the optimizer that moves it."""
        return {
            self._names[id(parameter)]: (part, parameter)
            for part in self._parts
            for group in part.optimizer.param_groups
            for parameter in group["params"]
        }


def _groups(parameters: Sequence[Tensor], weight_decay: float) -> list[dict[str, object]]:
    """Weights decay; norms and biases, which have one axis, do not."""
    return [
        {"params": [parameter for parameter in parameters if parameter.dim() > 1], "weight_decay": weight_decay},
        {"params": [parameter for parameter in parameters if parameter.dim() <= 1], "weight_decay": 0.0},
    ]
