"""Weights that treat the symmetries of a game alike: of a turned board a network then says the same, turned.

Group-equivariant convolutions (Cohen and Welling 2016, arXiv 1602.07576), as a constraint on the weights of a plain
`Network`: the channels of a layer are copies of a few, one copy for each symmetry, and a symmetry exchanges the copies
as it turns the board. So a network learns in one orientation what it then knows in all. Nothing is added to what a
network computes: play, export and other back ends see weights as ever.

Where symmetry h turns a position, its features f [channels, cells] become f[exchange[h]][:, cells[h]]. A layer commutes
with that if its weights stay what they are where the same is done to their outputs, inputs and taps. The mean of any
weights over all symmetries is such.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from games.base import Game, Symmetry
from rl.errors import UserError
from rl.network.model import Network

_Table = npt.NDArray[np.int64]
"""[n, size]: with symmetry h, entry i of an axis becomes what entry table[h, i] was."""

_ESSENTIAL = 1e-3
"""Weights that differ by more than this share of their own size from their turned selves were not learnt as one."""


class Equivariance:
    """The constraint on one network that learns one game."""

    def __init__(self, game: Game, network: Network, device: torch.device) -> None:
        """`device` is where the network learns. Raises UserError, in one line, when the network cannot be equivariant
        to the symmetries of `game`."""
        symmetries = game.symmetries()
        self._num_symmetries = len(symmetries)
        tables = _Tables(game, symmetries)
        axes = _axes(network, tables)
        # Where the turned selves of an entry lie, by the name of its tensor, all of a tensor's entries counted through.
        self._turned = {
            name: _turned_indices(tensor.shape, axes[name], tables.taps).to(device)
            for name, tensor in network.state_dict().items()
            if name in axes
        }
        weights = [name for name, _ in network.named_parameters()]
        self._of_gradients = _Average({name: self._turned[name] for name in weights})
        self._of_all = _Average(self._turned)

    def begin(self, network: nn.Module) -> None:
        """Make freshly drawn weights equivariant, as large as they were."""
        with torch.no_grad():
            for parameter in network.parameters():
                if parameter.dim() > 1:  # the mean of n independent numbers is that much smaller than each
                    parameter.mul_(math.sqrt(self._num_symmetries))
        self.hold(network)

    def hold(self, network: nn.Module) -> None:
        """Average weights and statistics over the symmetries, which rounding and batches take apart."""
        self._of_all.replace(network.state_dict())

    def hold_gradients(self, network: nn.Module) -> None:
        """Average gradients over the symmetries: then they are those of the batch in all orientations."""
        self._of_gradients.replace(
            {  # of what a batch says nothing of, something whose mean is dropped
                name: torch.zeros_like(own) if own.grad is None else own.grad
                for name, own in network.named_parameters()
            }
        )

    def check(self, network: nn.Module) -> None:
        """Raise UserError when the weights are not equivariant."""
        weights = network.state_dict()
        for name, turned in self._turned.items():
            furthest = (weights[name].take(turned) - weights[name]).abs().amax() if len(turned) else 0.0
            if furthest > _ESSENTIAL * weights[name].abs().amax():
                raise UserError("the agent to start from was learnt without --learner.equivariant: leave it out")


class _Average:
    """The mean of each of some tensors and its turned selves; all at once, since there are many small ones."""

    def __init__(self, turned: Mapping[str, Tensor]) -> None:
        """`turned` [n - 1, ...]: by name, the entries of a tensor's turned selves."""
        self._names = list(turned)
        self._sizes = [turned[name].shape[1:].numel() for name in self._names]
        starts = np.cumsum([0, *self._sizes[:-1]]).tolist()
        counted = [turned[name].flatten(1) + start for name, start in zip(self._names, starts, strict=True)]
        self._entries = torch.cat(counted, 1)

    @torch.no_grad()
    def replace(self, tensors: Mapping[str, Tensor]) -> None:
        """Put the means in the place of the tensors."""
        found = [tensors[name] for name in self._names]
        flat = torch.cat([tensor.flatten() for tensor in found])
        total = flat.clone()
        for entries in self._entries:
            total += flat[entries]
        means = torch.split(total / (len(self._entries) + 1), self._sizes)
        torch._foreach_copy_(found, [mean.view(own.shape) for mean, own in zip(means, found, strict=True)])


class _Tables:
    """How each symmetry exchanges the entries of the axes of weights."""

    def __init__(self, game: Game, symmetries: tuple[Symmetry, ...]) -> None:
        _, height, width = game.observation_shape
        self._name, self._symmetries = game.name, symmetries
        exchange = _exchange(symmetries)
        if exchange is None:
            raise self._refusal("two that follow one another are no third")
        self._exchange = exchange
        turns = [_turn_of(symmetry, height, width) for symmetry in symmetries]
        if any(turn is None for turn in turns):
            raise self._refusal("some turn no board")
        self._turns = [turn for turn in turns if turn is not None]
        self.planes, self.extras = self._of_actions(game)

    def features(self, size: int) -> _Table:
        """Channels, a copy of the first size / n for each symmetry, copies of one symmetry side by side."""
        copies = len(self._symmetries)
        if size % copies:
            raise UserError(f"an equivariant network for {self._name} has multiples of {copies} channels, not {size}")
        return (self._exchange[:, :, None] * (size // copies) + np.arange(size // copies)).reshape(copies, size)

    def fixed(self, size: int) -> _Table:
        """What a symmetry leaves in its place."""
        return np.tile(np.arange(size), (len(self._symmetries), 1))

    def taps(self, kernel_size: int) -> _Table:
        """The taps of a square kernel, counted through."""
        square = np.arange(kernel_size**2).reshape(kernel_size, kernel_size)
        return np.stack([turn(square).ravel() for turn in self._turns])

    def _of_actions(self, game: Game) -> tuple[_Table, _Table]:
        """The policy's planes, and the extra actions."""
        _, _, width = game.observation_shape
        planes, rows, columns = game.action_cells().T
        found_planes, found_extras = self.fixed(game.num_policy_planes), self.fixed(game.num_extra_actions)
        on_board = planes >= 0
        for h, symmetry in enumerate(self._symmetries):
            origins = np.argsort(symmetry.actions)
            found_planes[h, planes[on_board]] = planes[origins[on_board]]
            found_extras[h, rows[~on_board]] = rows[origins[~on_board]]
            cells = rows * width + columns
            moved = (
                np.array_equal(on_board[origins], on_board)
                and np.array_equal(cells[origins[on_board]], symmetry.cells[cells[on_board]])
                and np.array_equal(planes[origins[on_board]], found_planes[h, planes[on_board]])
            )
            if not moved:
                raise self._refusal("some turn the board otherwise than its actions")
        return found_planes, found_extras

    def _refusal(self, why: str) -> UserError:
        return UserError(f"{self._name} has no equivariant network: of its symmetries {why}")


def _side_by_side(*tables: _Table) -> _Table:
    """The table of an axis whose parts have these."""
    starts = np.cumsum([0, *(table.shape[1] for table in tables[:-1])])
    return np.concatenate([table + start for table, start in zip(tables, starts, strict=True)], 1)


def _exchange(symmetries: tuple[Symmetry, ...]) -> _Table | None:
    """[n, n]: under symmetry h, copy g of the channels becomes what copy exchange[h, g] was: h^-1 g, as symmetries
    follow one another. None where they are no group."""
    cells = [symmetry.cells for symmetry in symmetries]
    number = {tuple(one.tolist()): g for g, one in enumerate(cells)}
    found = [[number.get(tuple(one[np.argsort(other)].tolist())) for one in cells] for other in cells]
    return None if any(g is None for row in found for g in row) else np.array(found)


def _turn_of(symmetry: Symmetry, height: int, width: int) -> Callable[[_Table], _Table] | None:
    """What a symmetry does to a grid, a turn or a reflection; None when it is neither."""
    board = np.arange(height * width).reshape(height, width)
    for quarters in range(4):
        for mirrored in (False, True):

            def turn(grid: _Table, quarters: int = quarters, mirrored: bool = mirrored) -> _Table:
                turned: _Table = np.rot90(grid, quarters)
                return turned[:, ::-1] if mirrored else turned

            if np.array_equal(turn(board).ravel(), symmetry.cells) and turn(board).shape == board.shape:
                return turn
    return None


def _axes(network: Network, tables: _Tables) -> Mapping[str, tuple[_Table, ...]]:
    """By the name of a tensor, the tables of its axes, those of a kernel left out. What is not there stays as it is."""
    config, features = network.config, tables.features
    tower, policy, value = features(config.channels), features(config.policy_channels), features(config.value_channels)
    hidden, head = features(config.value_hidden), _side_by_side(policy, value)
    layers: dict[str, tuple[_Table, _Table]] = {
        "stem.convolution": (tower, tables.fixed(network.stem.convolution.in_channels)),
        "head.convolution": (head, tower),
        "head_pooling": (_side_by_side(policy, hidden), _side_by_side(head, head, head)),
        "policy_planes": (tables.planes, policy),
        "extra_actions": (tables.extras, hidden),
        "outcomes": (tables.fixed(network.outcomes.out_features), hidden),
        "ownership": (tables.fixed(1), value),
        "lead": (tables.fixed(1), hidden),
        "short_value": (tables.fixed(1), hidden),
    }
    for name in ("soft_policy", "reply"):
        layers |= {f"{name}.planes": (tables.planes, policy), f"{name}.extras": (tables.extras, hidden)}
    for block in range(config.blocks):
        layers |= {f"blocks.{block}.{name}.convolution": (tower, tower) for name in ("first", "second")}
        layers[f"blocks.{block}.pooling"] = (tower, _side_by_side(tower, tower, tower))
    axes: dict[str, tuple[_Table, ...]] = {}
    for name, (outputs, inputs) in layers.items():
        axes |= {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}
        if name.endswith(".convolution"):
            norm = f"{name.removesuffix('.convolution')}.norm"
            axes |= {f"{norm}.{entry}": (outputs,) for entry in ("weight", "bias", "running_mean", "running_var")}
    return axes


def _turned_indices(shape: torch.Size, axes: tuple[_Table, ...], taps: Callable[[int], _Table]) -> Tensor:
    """[n - 1, *shape]: for every symmetry but the identity, which entry of a tensor becomes each of its entries."""
    if len(shape) == 4:
        axes = (*axes, taps(shape[-1]))
    entries = np.arange(math.prod(shape)).reshape([table.shape[1] for table in axes])
    turned = [entries[np.ix_(*(table[h] for table in axes))].reshape(shape) for h in range(1, len(axes[0]))]
    return torch.from_numpy(np.stack(turned)) if turned else torch.zeros(0, *shape, dtype=torch.int64)
