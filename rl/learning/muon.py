"""Muon: momentum whose direction is made orthogonal, for weights that map features to features.

Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks": a gradient of a weight matrix is mostly a
few directions; its nearest orthogonal matrix moves all of them alike. The size of a step follows Liu et al. 2025
(arXiv 2502.16982, section 2.2).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

_MOMENTUM = 0.95
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic whose iteration draws all singular values to about 1, from 0.7 to 1.2 (Jordan et al.)."""
_ITERATIONS = 5
_STEP_SIZE = 0.2
"""Root mean square of what a step of rate 1 adds to a square weight: about AdamW's (Liu et al., equation 4)."""


class Muon(torch.optim.Optimizer):
    """For weights of two or more axes, the first being the outputs; a convolution's other axes count as one.

    Each group has `lr` and `weight_decay`, which is decoupled as AdamW's is. Products are computed in `dtype`.
    """

    def __init__(self, parameters: Iterable[Tensor], weight_decay: float, dtype: torch.dtype) -> None:
        super().__init__(parameters, {"lr": 0.0, "weight_decay": weight_decay})
        self._dtype = dtype

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Move every weight that has a gradient. A `closure` would be called first; it is not supported."""
        if closure is not None:
            raise ValueError("Muon takes no closure: the gradients have to be there")
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._move(weight, weight.grad, group["lr"], group["weight_decay"])

    def _move(self, weight: Tensor, gradient: Tensor, rate: float, weight_decay: float) -> None:
        state = self.state[weight]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(weight)
        momentum: Tensor = state["momentum"]
        momentum.lerp_(gradient, 1.0 - _MOMENTUM)
        ahead = gradient.lerp(momentum, _MOMENTUM)  # Nesterov's
        matrix = ahead.reshape(len(ahead), -1)
        size = _STEP_SIZE * math.sqrt(max(matrix.shape))
        direction = orthogonalised(matrix.to(self._dtype)).to(weight.dtype)
        weight.mul_(1.0 - rate * weight_decay)
        weight.add_(direction.reshape(weight.shape), alpha=-rate * size)


def orthogonalised(matrix: Tensor) -> Tensor:
    """About the orthogonal matrix nearest to `matrix` [m, n]: of its singular value decomposition U S V^T, U V^T, but
    with singular values from 0.7 to 1.2 in the place of 1. By iterations of a X + b (X X^T) X + c (X X^T)^2 X."""
    a, b, c = _COEFFICIENTS
    wide = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix  # the smaller square is the cheaper one
    x: Tensor = wide / (wide.norm() + 1e-7)
    for _ in range(_ITERATIONS):
        square = x @ x.T
        x = torch.addmm(x, torch.addmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x.T if matrix.shape[0] > matrix.shape[1] else x
