"""The memory of B search trees: arrays of records, one record a node and one a tree.

The tree knows no rules. It is documented as mctx's `Tree` is, but laid out the other way round: all that one node needs
lies side by side, since a descent reads a few nodes far apart and waits for memory, not for arithmetic. Records also
pass between kernels without reference counts, which NamedTuples of arrays do not: those made the search 8 times slower.

    trees    [B, N] of node_dtype         trees[b] is one `tree`, tree[n] one node, tree[ROOT] its root
    controls [B]    of control_dtype      controls[b] is what tree b is asked to do, and where it stands

Values of a node are for that node's player to move; `value_sums` of its slots too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from games.base import Game

Tree = npt.NDArray[np.void]
"""[N] nodes of one tree."""
Node = Any
"""One record of `node_dtype`."""
Control = Any
"""One record of `control_dtype`."""

ROOT = 0
"""Every tree's root is its node 0."""
NO_CHILD = -1
PROVEN_DRAW = 32767
WIN_IN_ONE = 2
"""The proof of a node whose player to move wins with the next move; see `proof`."""


def node_dtype(game: Game) -> np.dtype[np.void]:
    """One node of at most A slots. A slot is one legal action of the node's position.

    What a backup changes stands first: it is all that is asked for of a long node on the way up.
    """
    num_slots = game.num_slots
    return np.dtype(
        [
            ("parent", np.int32),  # node id; undefined for the root. A parent's id is smaller than its children's
            ("parent_slot", np.int16),  # the parent's slot that leads here
            ("to_play", np.int8),  # the player to move
            ("terminated", np.bool_),  # the game ended on entering this node
            ("reward", np.float32),  # on entering this node, for the player who moved (the parent's player to move)
            ("raw_value", np.float32),  # the network's value
            ("node_visits", np.int32),  # 1 + the sum of visit_counts; 0 before expansion
            ("proof", np.int16),  # 0 unknown; d + 1 proven win in d plies; -(d + 1) loss; PROVEN_DRAW
            ("num_slots", np.int16),  # slots in use; 0 before expansion and in terminal nodes
            ("visit_counts", np.int32, (num_slots,)),  # [A]
            ("value_sums", np.float32, (num_slots,)),  # [A] returns of the visits; exact where the child is proven
            ("priors", np.float32, (num_slots,)),  # [A] summing to 1 over the slots in use
            ("children", np.int32, (num_slots,)),  # [A] node id, or NO_CHILD before the first visit
            ("slot_actions", game.action_dtype, (num_slots,)),  # [A] the action of each slot
            ("lost", np.int8, (num_slots,)),  # [A] 1: the child is proven lost for the player to move: never selected
            ("state", game.state_dtype),  # the position
        ],
        align=True,
    )


def control_dtype(game: Game, max_simulations: int, max_history: int) -> np.dtype[np.void]:
    """What one tree is asked to do, and its scratch. `max_history` is 0 unless the game uses history."""
    # Sizes are part of the compiled type: 2**10, 2**14, 2**18 …, lest each number of simulations compiles anew.
    max_depth = 1 << (10 + 4 * -(-max(0, (max_simulations - 1).bit_length() - 10) // 4))
    num_hashes = max_history + max_depth + 1 if game.uses_history else 1
    return np.dtype(
        [
            ("num_nodes", np.int32),  # nodes in use
            ("budget", np.int32),  # evaluations asked for, the root's own included; 0: the tree rests
            ("started", np.int32),  # simulations begun, whose number picks the root's action under Gumbel
            ("pending", np.int32),  # leaves that wait for the network
            ("num_simulations", np.int64),  # counted over the tree's life, as the next three
            ("num_cache_hits", np.int64),
            ("num_levels", np.int64),  # the depths of all leaves together
            ("num_known_leaves", np.int64),  # descents that ended in a terminal or proven node
            ("key", np.uint64),  # key of the tree's random numbers
            ("noisy", np.bool_),  # whether the root explores: Gumbel or Dirichlet noise
            ("value_low", np.float32),  # lower end of the values' range: the game's bound, or the least seen here
            ("value_high", np.float32),  # upper end
            ("gumbels", np.float32, (game.num_slots,)),  # [A] the root's Gumbel variates, 0 without noise
            ("root_logits", np.float32, (game.num_slots,)),  # [A] logarithms of the root's priors, before noise
            ("return_counts", np.int32, (game.num_slots,)),  # [A] returns backed up to the root since it is the root
            ("return_sums", np.float64, (game.num_slots,)),  # [A] their sums
            ("return_squares", np.float64, (game.num_slots,)),  # [A] the sums of their squares
            ("planned_simulations", np.int32),  # Gumbel: those that sequential halving is laid out for
            ("planned_rounds", np.int32),  # halvings in which all but two actions are left out
            ("num_alive", np.int32),  # root actions that the present round considers
            ("round_visits", np.int32),  # visits that each of these had when it began
            ("round_start", np.int32),  # its first simulation
            ("round_end", np.int32),  # the first one after it
            ("history_length", np.int32),  # K
            ("history", np.uint64, (num_hashes,)),  # history_hash of the K positions before the root; then scratch
        ],
        align=True,
    )
