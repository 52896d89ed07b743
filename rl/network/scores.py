"""What a network with score heads foretells of a game's count, read outside the search: a few positions at a time."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor

from games.base import FloatArray
from rl.network.model import SCORE_UNIT, Network
from rl.search.evaluation import ScoreEstimate


class NetworkScores:
    """`rl.search.evaluation.ScoreReader` over a network with score heads, in float32 on the CPU."""

    def __init__(self, network: Network) -> None:
        """`network` itself is neither kept nor changed."""
        self._network = copy.deepcopy(network).cpu().eval()

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Foretell with other weights, `Network.state_dict()` or an average of some, from now on."""
        self._network.load_state_dict(state)

    def read(self, observations: FloatArray) -> ScoreEstimate:
        """Of `observations` [n, C, H, W] float32."""
        with torch.inference_mode():
            score = self._network(torch.from_numpy(observations)).score
            assert score is not None, "a network without score heads"
            ownership = 2.0 * score.ownership_logits.sigmoid() - 1.0
            return ScoreEstimate(ownership.flatten(1).numpy(), (SCORE_UNIT * score.lead).numpy())
