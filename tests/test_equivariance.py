"""Equivariant networks: what they say of a turned board is what they say of the board, turned."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from small_batches import make_batch
from small_games import SMALL_GAMES
from torch import Tensor

import games
from games.base import Game, Symmetry
from games.board.tic_tac_toe import TicTacToe
from rl.errors import UserError
from rl.learning.learner import EQUIVARIANCE_INTERVAL, Learner, LearnerConfig
from rl.network.equivariance import Equivariance
from rl.network.kinds import make_network
from rl.network.model import Network, NetworkConfig, NetworkOutput
from rl.network.vector import VectorConfig

pytestmark = pytest.mark.plain_only  # nothing here is compiled

GAMES = [games.make_board(name) for name in SMALL_GAMES]
HEADS = {"soft_policy_head": True, "reply_head": True, "short_value_head": True}
CPU = torch.device("cpu")


def config_for(game: Game, **settings: bool) -> NetworkConfig:
    sizes = {"blocks": 2, "channels": 16, "policy_channels": 8, "value_channels": 8, "value_hidden": 16}
    return NetworkConfig(**sizes, pooling_interval=2, score_heads=game.is_scored, **settings)  # type: ignore[arg-type]


def drawn(game: Game, seed: int = 3) -> Network:
    """A network all of whose weights and statistics are random numbers."""
    network = make_network(game, config_for(game, **HEADS), seed)
    assert isinstance(network, Network)
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                noise = torch.randn(tensor.shape, generator=random)
                tensor.add_(noise.abs() if name.endswith("running_var") else 0.2 * noise)
    return network.eval()


def turned(planes: Tensor, symmetry: Symmetry) -> Tensor:
    return planes.flatten(2)[..., torch.from_numpy(np.ascontiguousarray(symmetry.cells))].view_as(planes)


def differences(game: Game, network: Network, rows: int = 5) -> list[float]:
    """By symmetry, how far what a network says of turned boards is from what it says of the boards, turned."""
    planes = torch.from_numpy(make_batch(game, 8, rows).observations)
    found = []
    with torch.inference_mode():
        said = network(planes)
        for symmetry in game.symmetries():
            again = network(turned(planes, symmetry))
            pairs = list(zip(numbers(again), numbers(said, symmetry), strict=True))
            found.append(max(float((one - other).abs().max()) for one, other in pairs))
    return found


def numbers(output: NetworkOutput, symmetry: Symmetry | None = None) -> list[Tensor]:
    """All that an output says; as the board that `symmetry` turns would have it."""
    score, auxiliary = output.score, output.auxiliary
    policies = [output.policy_logits, auxiliary.soft_policy_logits, auxiliary.reply_logits]
    cells = [] if score is None else [score.ownership_logits[:, None]]
    said = [output.value_logits, auxiliary.short_value, *([] if score is None else [score.lead])]
    if symmetry is not None:
        origins = torch.from_numpy(np.argsort(symmetry.actions))
        policies = [policy[:, origins] for policy in policies if policy is not None]
        cells = [turned(planes, symmetry) for planes in cells]
    return [tensor for tensor in (*policies, *cells, *said) if tensor is not None]


@pytest.mark.parametrize("game", GAMES, ids=lambda game: game.name)
def test_turned_boards_are_answered_alike(game: Game) -> None:
    """All games have symmetries; before it is held to them, a network knows none but the identity."""
    network = drawn(game)
    before = differences(game, network)
    assert before[0] == 0 and min(before[1:]) > 0.01
    equivariance = Equivariance(game, network, CPU)
    equivariance.hold(network)
    assert max(differences(game, network)) < 1e-4
    held = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    equivariance.hold(network)
    for name, tensor in network.state_dict().items():
        assert torch.allclose(tensor, held[name], rtol=1e-5, atol=1e-6), f"{name} moves again"


@pytest.mark.parametrize("game", GAMES, ids=lambda game: game.name)
def test_gradients_are_those_of_all_views(game: Game) -> None:
    """Of an equivariant network: the mean of the gradients that the batch has in each orientation."""
    network = drawn(game)
    equivariance = Equivariance(game, network, CPU)
    equivariance.hold(network)
    batch = make_batch(game, 5, 3)
    planes, policy, outcome = map(torch.from_numpy, (batch.observations, batch.policy, batch.outcome))

    def loss(network: Network, symmetry: Symmetry) -> Tensor:
        output = network(turned(planes, symmetry))
        origins = torch.from_numpy(np.argsort(symmetry.actions))
        chosen = (output.policy_logits.log_softmax(1) * policy[:, origins]).sum(1)
        loss: Tensor = -(chosen + (output.value_logits.log_softmax(1) * outcome).sum(1)).mean()
        return loss

    identity, *_ = game.symmetries()
    loss(network, identity).backward()  # type: ignore[no-untyped-call]
    twin = copy.deepcopy(network)
    twin.zero_grad()
    for symmetry in game.symmetries():
        (loss(twin, symmetry) / len(game.symmetries())).backward()  # type: ignore[no-untyped-call]
    equivariance.hold_gradients(network)
    for (name, own), other in zip(network.named_parameters(), twin.parameters(), strict=True):
        assert (own.grad is None) == (other.grad is None)
        if own.grad is not None and other.grad is not None:
            assert torch.allclose(own.grad, other.grad, rtol=1e-3, atol=1e-5), name


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["connect_four", "hex5"])
def test_learning_keeps_networks_equivariant(name: str, precision: str) -> None:
    """Though Muon's products are rounded, and each batch has statistics of its own; here in two threads."""
    game = games.make_board(name)
    config = LearnerConfig(equivariant=True, warmup_steps=2, precision=precision)  # type: ignore[arg-type]
    learner = Learner(game, config_for(game), config, 1, num_threads=2)
    first = learner.ema_state_dict()
    for step in range(2 * EQUIVARIANCE_INTERVAL):
        learner.train_step(make_batch(game, step))
    network = learner.ema_network
    assert isinstance(network, Network)
    assert max(differences(game, network)) < 1e-4
    assert all(not torch.equal(one, first[name]) for name, one in learner.ema_state_dict().items() if "first" in name)
    planes = torch.from_numpy(make_batch(game, 8).observations)
    assert float(network(planes).policy_logits.detach().std(0).max()) > 0.01, "it says something"


def test_a_game_without_symmetries_has_nothing_to_hold() -> None:
    class OneWay(TicTacToe):
        def symmetries(self) -> tuple[Symmetry, ...]:
            return super().symmetries()[:1]

    game = OneWay()
    network = drawn(game)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    Equivariance(game, network, CPU).hold(network)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_what_cannot_be_equivariant_is_one_clear_line() -> None:
    class Shuffled(TicTacToe):
        """Its second symmetry exchanges two cells and nothing else."""

        def symmetries(self) -> tuple[Symmetry, ...]:
            order = np.array([1, 0, *range(2, 9)])
            return (super().symmetries()[0], Symmetry(order, order))

    class Askew(TicTacToe):
        """Its actions are turned otherwise than its board."""

        def symmetries(self) -> tuple[Symmetry, ...]:
            return tuple(Symmetry(symmetry.cells, np.arange(9)) for symmetry in super().symmetries())

    class Open(TicTacToe):
        """A quarter turn, but no half turn."""

        def symmetries(self) -> tuple[Symmetry, ...]:
            quarter = np.rot90(np.arange(9).reshape(3, 3)).ravel()
            return (super().symmetries()[0], Symmetry(quarter, np.argsort(quarter)))

    odd = NetworkConfig(blocks=1, channels=12)
    for game, config, said in (
        (Shuffled(), config_for(TicTacToe()), "tic_tac_toe has no equivariant network: of its symmetries some turn no"),
        (Askew(), config_for(TicTacToe()), "of its symmetries some turn the board otherwise than its actions"),
        (Open(), config_for(TicTacToe()), "of its symmetries two that follow one another are no third"),
        (TicTacToe(), odd, "an equivariant network for tic_tac_toe has multiples of 8 channels, not 12"),
        (games.make("pendulum"), VectorConfig(), "pendulum is learnt by a network of vectors"),
    ):
        with pytest.raises(UserError, match=said) as error:
            Learner(game, config, LearnerConfig(equivariant=True), 0)
        assert "\n" not in str(error.value)


def test_goes_on_from_equivariant_agents_alone() -> None:
    game = TicTacToe()
    made = [Learner(game, config_for(game), LearnerConfig(equivariant=held), 4) for held in (True, False)]
    learner = Learner(game, config_for(game), LearnerConfig(equivariant=True), 5)
    learner.start_from(made[0].ema_network)
    before = learner.ema_state_dict()
    assert torch.equal(before["stem.convolution.weight"], made[0].ema_state_dict()["stem.convolution.weight"])
    with pytest.raises(UserError, match=r"learnt without --learner\.equivariant"):
        learner.start_from(made[1].ema_network)
    assert all(torch.equal(tensor, before[name]) for name, tensor in learner.ema_state_dict().items())
