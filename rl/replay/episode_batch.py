"""What the learner of a simulated game is given: sampled states, and all that is known of what came of them."""

from __future__ import annotations

from typing import NamedTuple

from games.base import BoolArray, FloatArray, IndexArray, StateArray


class Successors(NamedTuple):
    """What is known to come of m states, each with the goal that it is sampled with."""

    rows: IndexArray
    """[m] int64: which of the batch these are."""
    known: BoolArray
    """[m, K] which of the actions were tried."""
    actions: FloatArray
    """[m, K, D]"""
    log_proposals: FloatArray
    """[m, K] logarithms of the densities that they were proposed with."""
    observations: FloatArray
    """[m, K, O, 1, 1] what is seen next."""
    rewards: FloatArray
    """[m, K]"""
    terminated: BoolArray
    """[m, K]"""


class Followed(NamedTuple):
    """What m states came to in their episodes, each with the goal that it is sampled with. As steps have no chance,
    that much can be had from there again: the states are worth no less."""

    rows: IndexArray
    """[m] int64: which of the batch these are."""
    actions: FloatArray
    """[m, D] what was played there."""
    states: StateArray
    """[m] where that led some steps later, of the game's state_dtype."""
    rewards: FloatArray
    """[m] float32: the discounted sum of the rewards on the way there."""
    discounts: FloatArray
    """[m] float32: what the values of `states` count here."""


class EpisodeBatch(NamedTuple):
    """n training states. K is the number of slots, D the size of an action."""

    observations: FloatArray
    """[n, O, 1, 1] float32."""
    states: StateArray
    """[n] of the game's state_dtype: what is observed."""
    actions: FloatArray
    """[n, K, D] float32: the actions that were searched."""
    policy: FloatArray
    """[n, K] float32: the search's weights of them; sums to 1. 0 beyond the actions in use."""
    returns: FloatArray
    """[n] float32: TD(lambda) returns."""
    fresh: BoolArray
    """[n] whether actions and policy are to be found anew, by stepping the simulator."""
    revalued: BoolArray
    """[n] whether the return is to be found anew with them; none but `fresh` ones and those of `successors`."""
    relabelled: BoolArray
    """[n] whether the goal is another than the episode's, so that all these are of the old one; `revalued`."""
    ages: IndexArray
    """[n] int64: by how many game numbers the newest episode in the window is ahead of the sampled one."""
    successors: Successors
    """Of those whose actions and policy are to be found from what is known already."""
    followed: Followed
    """Of some of the `fresh` ones: what followed in the episode."""
