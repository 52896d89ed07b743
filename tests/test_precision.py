"""Which of two arithmetics is chosen, by clocks that are made up and by this machine's own."""

from __future__ import annotations

import pytest
import torch
from small_batches import make_batch, make_learner
from torch import nn

from games.board.tic_tac_toe import TicTacToe
from rl.learning import learner
from rl.network import precision
from rl.network.precision import faster_dtype, native_dtype

pytestmark = pytest.mark.plain_only  # nothing here is compiled

CPU = torch.device("cpu")


class _Machine:
    """Takes `seconds` for a piece of work, and `disturbance` more each time but one."""

    def __init__(self, seconds: dict[torch.dtype, float], disturbance: float = 0.0) -> None:
        self._seconds, self._disturbance = seconds, disturbance
        self._turns = dict.fromkeys(seconds, 0)
        self._now = 0.0

    def work(self, dtype: torch.dtype) -> None:
        self._turns[dtype] += 1
        self._now += self._seconds[dtype] + (0.0 if self._turns[dtype] == 3 else self._disturbance)

    def clock(self) -> float:
        return self._now


@pytest.mark.parametrize("times_as_fast", [0.6, 1.0, 1.2])
@pytest.mark.parametrize("disturbance", [0.0, 7.0])
def test_stays_exact_unless_bfloat16_is_clearly_faster(times_as_fast: float, disturbance: float) -> None:
    machine = _Machine({torch.float32: 1.0, torch.bfloat16: 1.0 / times_as_fast}, disturbance)
    assert faster_dtype(machine.work, machine.clock) == torch.float32


@pytest.mark.parametrize("times_as_fast", [1.3, 2.0, 16.0])
@pytest.mark.parametrize("disturbance", [0.0, 7.0])
def test_takes_bfloat16_where_it_is_clearly_faster(times_as_fast: float, disturbance: float) -> None:
    machine = _Machine({torch.float32: 1.0, torch.bfloat16: 1.0 / times_as_fast}, disturbance)
    assert faster_dtype(machine.work, machine.clock) == torch.bfloat16


def test_measuring_leaves_the_threads_as_they_were() -> None:
    before = torch.get_num_threads()
    assert native_dtype.__wrapped__(CPU) in (torch.float32, torch.bfloat16)
    assert torch.get_num_threads() == before


def test_without_the_instructions_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(*_: object) -> torch.dtype:
        raise AssertionError("measured")

    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    monkeypatch.setattr(precision, "faster_dtype", measured)
    assert native_dtype.__wrapped__(CPU) == torch.float32


@pytest.mark.parametrize("fastest", [torch.float32, torch.bfloat16])
def test_a_learner_asks_for_it(monkeypatch: pytest.MonkeyPatch, fastest: torch.dtype) -> None:
    seen: set[torch.dtype] = set()
    convolve = nn.Conv2d.forward

    def noting(layer: nn.Conv2d, features: torch.Tensor) -> torch.Tensor:
        result = convolve(layer, features)
        seen.add(result.dtype)
        return result

    monkeypatch.setattr(learner, "native_dtype", lambda device: fastest)
    monkeypatch.setattr(nn.Conv2d, "forward", noting)
    game = TicTacToe()
    make_learner(game, precision="auto").train_step(make_batch(game, 0))
    assert seen == {fastest}
