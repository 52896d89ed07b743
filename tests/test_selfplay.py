"""Self-play: whole games of the rules, the same whoever plays them, searched as the twin searches."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import numpy as np
import pytest
from search_games import HashedEvaluator, Ring, TwiceNim, Walk, hashed_evaluation, legal_mask
from search_twin import Twin

import games
from games.base import BoolArray, FloatArray, Game, HashArray, State
from rl.errors import UserError
from rl.replay.records import WEIGHT_SUM, GameRecord, decode, encode
from rl.search.driver import SearchConfig
from rl.search.random import random_bits
from rl.selfplay.lockstep import Selfplay, SelfplayConfig

TIC_TAC_TOE, CONNECT_FOUR = games.make("tic_tac_toe"), games.make("connect_four4x4")
WALK, RING = Walk(), Ring()
PUCT = SearchConfig(root="puct")
SEED = 3


def config(games_per_worker: int = 4, **changes: object) -> SelfplayConfig:
    options: dict[str, object] = {"simulations": 10, "fast_simulations": 4, "max_opening_plies": 4, "cache_entries": 0}
    return SelfplayConfig(games_per_worker=games_per_worker, **(options | changes))  # type: ignore[arg-type]


def finish(selfplay: Selfplay, evaluator: HashedEvaluator, numbers: Iterable[int]) -> dict[int, GameRecord]:
    """Play the games of these numbers to their ends."""
    left: Iterator[int] = iter(numbers)
    records: dict[int, GameRecord] = {}
    for _ in range(100_000):
        for record in selfplay.wave(evaluator, lambda: next(left, None)):
            assert record.game_number not in records
            records[record.game_number] = record
        if selfplay.num_active == 0:
            return records
    raise AssertionError("the games do not end")


def play(
    game: Game,
    settings: SelfplayConfig,
    numbers: Iterable[int],
    *,
    batch_size: int = 4,
    network_id: int = 7,
    seed: int = SEED,
) -> dict[int, GameRecord]:
    return finish(Selfplay(game, settings, seed), HashedEvaluator(game, batch_size, network_id), numbers)


def encoded(records: dict[int, GameRecord]) -> dict[int, bytes]:
    return {number: encode(record) for number, record in records.items()}


def positions(game: Game, record: GameRecord) -> Iterator[tuple[State, HashArray, BoolArray, int]]:
    """(state, history, legal, ply) before each step, with every step checked against the rules."""
    state, history = game.new_state(), np.zeros(0, np.uint64)
    terminated = False
    for ply, step in enumerate(record.steps):
        assert not terminated, "moves after the end"
        legal = legal_mask(game, state, history)
        assert legal[step["action"]], f"illegal move at ply {ply}"
        assert step["to_play"] == state["to_play"]
        before = np.append(history, np.uint64(game.history_hash(state))) if game.uses_history else history
        yield state, history, legal, ply
        reward, terminated = game.step(state, int(step["action"]), history)
        assert step["reward"] == np.float32(reward)
        history = before
    assert terminated, "the game has no end"


@pytest.mark.parametrize("root", ["gumbel", "puct"])
@pytest.mark.parametrize("game", [TIC_TAC_TOE, CONNECT_FOUR, WALK, RING], ids=lambda game: game.name)
def test_games_are_legal_and_complete(game: Game, root: str) -> None:
    settings = config(search=SearchConfig(root=root), full_search_fraction=0.5)  # type: ignore[arg-type]
    records = play(game, settings, range(12))
    assert sorted(records) == list(range(12))
    for record in records.values():
        searched = False
        targets = iter(np.split(record.targets, np.cumsum(record.steps["num_targets"])[:-1]))
        for _, _, legal, ply in positions(game, record):
            step, target = record.steps[ply], next(targets)
            searched = searched or step["network_id"] == 7
            assert step["network_id"] == (7 if searched and legal.sum() > 1 else 0), "only choices are searched"
            if step["is_target"]:
                assert step["network_id"] == 7
                assert 1 <= len(target) == step["num_targets"] and target["weight"].sum(dtype=np.int64) == WEIGHT_SUM
                assert legal[target["action"]].all() and len(set(target["action"].tolist())) == len(target)
            else:
                assert len(target) == 0
            assert np.isfinite(step["root_value"])
        again = decode(game, encode(record))
        assert (again.steps == record.steps).all() and (again.targets == record.targets).all()


@pytest.mark.parametrize("root", ["gumbel", "puct"])
@pytest.mark.parametrize("game", [CONNECT_FOUR, RING], ids=lambda game: game.name)
def test_moves_and_targets_are_those_of_the_search(game: Game, root: str) -> None:
    """The twin, given the game's random numbers, searches every position as self-play did. After a detour, another move
    than the search's is played; its target stays."""
    search = SearchConfig(root=root)  # type: ignore[arg-type]
    settings = config(search=search, full_search_fraction=0.4, detour_share=0.3)
    observation = np.zeros(game.observation_shape, np.float32)

    def evaluate(state: State) -> tuple[FloatArray, float]:
        game.observe(state, observation)
        return hashed_evaluation(observation, game.num_actions, 7)

    num_checked, num_detours = 0, 0
    for number, record in play(game, settings, range(4)).items():
        game_key = np.uint64(random_bits(np.uint64(SEED), np.uint64(number)))
        ends = np.cumsum(record.steps["num_targets"])
        for state, history, _, ply in positions(game, record):
            step = record.steps[ply]
            if step["network_id"] != 7:
                continue
            key = int(random_bits(game_key, np.uint64(8 * ply + 3)))
            twin = Twin(game, search, evaluate, state, history=history, key=key, noisy=bool(step["is_target"]))
            found = twin.run(settings.simulations if step["is_target"] else settings.fast_simulations)
            assert (int(step["action"]) == found.best_action) == (not step["is_detour"])
            num_detours += step["is_detour"]
            assert step["root_value"] == pytest.approx(found.taught_value, abs=1e-5)
            if step["is_target"]:
                target = record.targets[ends[ply] - step["num_targets"] : ends[ply]]
                expected = {a: p for a, p in zip(found.actions, found.policy, strict=True) if p > 2 / WEIGHT_SUM}
                weights = dict(zip(target["action"].tolist(), (target["weight"] / WEIGHT_SUM).tolist(), strict=True))
                assert {action: weights[action] for action in expected} == pytest.approx(expected, abs=1e-4)
                surprise = sum(
                    p * (np.log(p) - logit) for p, logit in zip(found.policy, twin.logits, strict=True) if p > 0
                )
                assert step["surprise"] == pytest.approx(max(0.0, surprise), abs=2e-3)
            else:
                assert step["surprise"] == 0.0
            num_checked += 1
    assert num_checked > 10 and num_detours > 0


@pytest.mark.compiled_only
@pytest.mark.parametrize("root", ["gumbel", "puct"])
def test_a_game_is_the_same_whoever_plays_it(root: str) -> None:
    search = SearchConfig(root=root)  # type: ignore[arg-type]
    expected = encoded(play(CONNECT_FOUR, config(1, search=search), range(9), batch_size=1))
    for games_per_worker, batch_size, cache_entries in ((9, 9, 0), (5, 5, 1 << 10), (7, 2, 1 << 4), (3, 64, 0)):
        settings = config(games_per_worker, search=search, cache_entries=cache_entries)
        assert encoded(play(CONNECT_FOUR, settings, range(9), batch_size=batch_size)) == expected
    backwards = play(CONNECT_FOUR, config(4, search=search), reversed(range(9)))
    assert encoded(backwards) == expected


@pytest.mark.parametrize(("progress", "simulations"), [(0.0, 2), (0.5, 6), (1.0, 10)])
def test_searches_grow_as_the_run_goes_on(progress: float, simulations: int) -> None:
    growing = Selfplay(CONNECT_FOUR, config(first_simulations=2), SEED)
    growing.set_progress(progress)
    games = finish(growing, HashedEvaluator(CONNECT_FOUR, 4, 7), range(6))
    assert encoded(games) == encoded(play(CONNECT_FOUR, config(simulations=simulations), range(6)))


def test_games_differ_by_number_and_seed() -> None:
    records = [
        record
        for seed in (3, 4)
        for record in play(
            CONNECT_FOUR, config(10, full_search_fraction=0.4), range(10), batch_size=10, seed=seed
        ).values()
    ]
    assert len({record.steps.tobytes() for record in records}) == 20
    assert len({tuple(record.steps["action"].tolist()) for record in records}) >= 15


def test_two_tables_share_nothing() -> None:
    first, second = (Selfplay(CONNECT_FOUR, config(3, cache_entries=64), seed) for seed in (1, 2))
    evaluators = [HashedEvaluator(CONNECT_FOUR, 3, network_id) for network_id in (7, 8)]
    numbers = [iter(range(6)), iter(range(6))]
    together: list[dict[int, GameRecord]] = [{}, {}]
    for _ in range(2000):
        for table, selfplay in enumerate((first, second)):
            for record in selfplay.wave(evaluators[table], lambda table=table: next(numbers[table], None)):  # type: ignore[misc]
                together[table][record.game_number] = record
    for table, (seed, network_id) in enumerate(((1, 7), (2, 8))):
        settings = config(3, cache_entries=64)
        alone = play(CONNECT_FOUR, settings, range(6), batch_size=3, network_id=network_id, seed=seed)
        assert encoded(together[table]) == encoded(alone)


@pytest.mark.compiled_only
def test_openings_vary_and_never_end_the_game() -> None:
    """Tic-tac-toe with openings of up to nine plies, which fill the board or leave one forced move to the end."""
    records = play(TIC_TAC_TOE, config(16, max_opening_plies=9), range(150), batch_size=16)
    lengths = []
    for record in records.values():
        assert len(record.steps) <= 9
        for _ in positions(TIC_TAC_TOE, record):
            pass
        choices = np.flatnonzero(record.steps["network_id"] == 7)
        lengths.append(int(choices[0]) if len(choices) else len(record.steps))
    assert min(lengths) == 0 and max(lengths) == 9 and len(set(lengths)) >= 6
    assert np.mean(np.array(lengths) <= 2) > 0.4, "short openings are more frequent than long ones"
    lines = [record.steps["action"].tolist() for record in records.values()]
    assert len({tuple(line[:length]) for line, length in zip(lines, lengths, strict=True)}) > 60


@pytest.mark.plain_only
def test_openings_pass_only_where_nothing_else_can_be_played() -> None:
    game = games.make("go3")
    num_plies = 0
    for record in play(game, config(16, max_opening_plies=12), range(80), batch_size=16).values():
        searched = np.flatnonzero(record.steps["network_id"] == 7)
        opening = int(searched[0]) if len(searched) else len(record.steps)
        for _, _, legal, ply in itertools.islice(positions(game, record), opening):
            assert record.steps[ply]["action"] != game.num_actions - 1 or legal.sum() == 1
            num_plies += 1
    assert num_plies > 100


@pytest.mark.compiled_only
def test_openings_drawn_from_the_policy_follow_the_network() -> None:
    """The first moves are drawn as often as the network's priors say, and no opening move is a target."""
    settings = config(32, max_opening_plies=4, opening_policy_share=1.0)
    firsts, num_opening = np.zeros(CONNECT_FOUR.num_actions), 0
    for record in play(CONNECT_FOUR, settings, range(900), batch_size=32).values():
        steps = record.steps
        num_plies = int(np.flatnonzero(steps["is_target"])[0])
        assert (steps["network_id"][:num_plies] == 7).all() and steps["is_target"][num_plies]
        num_opening += num_plies
        if num_plies > 0:
            firsts[steps["action"][0]] += 1
    assert num_opening > 500
    observation = np.zeros(CONNECT_FOUR.observation_shape, np.float32)
    CONNECT_FOUR.observe(CONNECT_FOUR.new_state(), observation)
    logits, _ = hashed_evaluation(observation, CONNECT_FOUR.num_actions, 7)
    expected = np.exp(logits) / np.exp(logits).sum() * firsts.sum()
    assert expected.max() > 1.3 * expected.min(), "this network has an opinion"
    assert ((firsts - expected) ** 2 / expected).sum() < 20  # 3 degrees of freedom


@pytest.mark.compiled_only
def test_half_of_an_opening_may_be_drawn_from_the_policy() -> None:
    settings = config(32, max_opening_plies=6, opening_policy_share=0.5)
    asked = []
    for record in play(CONNECT_FOUR, settings, range(300), batch_size=32).values():
        legal = [mask.sum() for _, _, mask, _ in positions(CONNECT_FOUR, record)]
        num_plies = int(np.flatnonzero(record.steps["is_target"])[0]) if record.steps["is_target"].any() else 0
        asked += [record.steps["network_id"][ply] == 7 for ply in range(num_plies) if legal[ply] > 1]
    assert len(asked) > 300 and abs(np.mean(asked) - 0.5) < 4 * np.sqrt(0.25 / len(asked))


@pytest.mark.compiled_only
def test_detours_are_drawn_evenly_from_the_legal_moves() -> None:
    """Half of the full searches are followed by a move that is drawn, one in so many being the search's own; none of a
    fast search is."""
    settings = config(32, max_opening_plies=0, full_search_fraction=0.5, detour_share=0.5)
    expected, variance, num_detours, firsts = 0.0, 0.0, 0, np.zeros(CONNECT_FOUR.num_actions)
    for record in play(CONNECT_FOUR, settings, range(400), batch_size=32).values():
        for _, _, legal, ply in positions(CONNECT_FOUR, record):
            step = record.steps[ply]
            share = 0.5 * (1 - 1 / legal.sum()) if step["is_target"] else 0.0
            expected, variance = expected + share, variance + share * (1 - share)
            num_detours += step["is_detour"]
            if ply == 0 and step["is_detour"]:
                firsts[step["action"]] += 1
    assert num_detours > 500 and abs(num_detours - expected) < 4 * np.sqrt(variance)
    assert (firsts > 0).sum() >= CONNECT_FOUR.num_actions - 1


@pytest.mark.compiled_only
def test_decided_games_are_ended_by_fast_searches() -> None:
    """Three searches in a row that saw the same winner; then one search in ten is full."""
    settings = config(32, max_opening_plies=0, decided_value=0.02)
    decided, undecided = [], []
    for record in play(CONNECT_FOUR, settings, range(700), batch_size=32).values():
        sure: list[int] = []  # of the searches so far: 1 or -1 where player 0 or 1 was seen to win, else 0
        for step in record.steps[record.steps["network_id"] == 7]:
            last = sure[-3:]
            (decided if len(last) == 3 and abs(sum(last)) == 3 else undecided).append(bool(step["is_target"]))
            value = float(step["root_value"]) * (1 if step["to_play"] == 0 else -1)
            sure.append(int(np.sign(value)) if abs(value) >= np.float32(0.02) else 0)
    assert all(undecided)
    assert len(decided) > 200 and abs(np.mean(decided) - 0.1) < 4 * np.sqrt(0.09 / len(decided))


class NoChoice(TwiceNim):
    """One move is all there is, time and again."""

    def legal_actions(self, state: State, history: HashArray, mask: BoolArray) -> None:
        for action in range(3):
            mask[action] = action == 0


@pytest.mark.plain_only
def test_a_game_without_choices_is_played_without_a_search() -> None:
    evaluator = HashedEvaluator(NoChoice(), 4, 7)
    records = finish(Selfplay(NoChoice(), config(), SEED), evaluator, range(30))
    assert sorted(records) == list(range(30)) and evaluator.num_rows == []
    for record in records.values():
        assert record.steps["action"].tolist() == [0] * 9 and not record.steps["is_target"].any()


@pytest.mark.compiled_only
@pytest.mark.parametrize("fraction", [0.25, 0.75, 1.0])
def test_share_of_full_searches(fraction: float) -> None:
    records = play(CONNECT_FOUR, config(32, full_search_fraction=fraction), range(40), batch_size=32)
    steps = np.concatenate([record.steps for record in records.values()])
    searched = steps["network_id"] == 7
    share = steps["is_target"][searched].mean()
    assert share == 1.0 if fraction == 1.0 else abs(share - fraction) < 4 * np.sqrt(0.25 / searched.sum())


def test_counts_add_up() -> None:
    selfplay = Selfplay(CONNECT_FOUR, config(8, cache_entries=1 << 8), SEED)
    evaluator = HashedEvaluator(CONNECT_FOUR, 3, 7)
    left = iter(range(12))
    records: list[GameRecord] = []
    moves = simulations = answered = 0.0
    while True:
        records += selfplay.wave(evaluator, lambda: next(left, None))
        counts = selfplay.take_counts()
        moves += counts["moves"]
        simulations += counts["simulations"]
        answered += counts["evaluations"] + counts["cache_hits"] + counts["known_leaves"]
        in_flight = simulations - answered
        assert 0 <= in_flight <= 6 and counts["places"] == 8, "at most two batches of three are under way"
        assert min(counts["network_seconds"], counts["search_seconds"]) >= 0
        if selfplay.num_active == 0:
            break
    assert len(records) == 12 and in_flight == 0
    assert moves == sum((record.steps["network_id"] == 7).sum() for record in records)
    assert set(selfplay.take_counts().values()) == {0.0}, "taken is taken"


def test_without_numbers_places_stay_idle() -> None:
    selfplay, evaluator = Selfplay(CONNECT_FOUR, config(5), SEED), HashedEvaluator(CONNECT_FOUR, 5, 7)
    for _ in range(3):
        assert selfplay.wave(evaluator, lambda: None) == []
    assert selfplay.num_active == 0 and evaluator.num_rows == []
    left = iter([4, 6])
    selfplay.wave(evaluator, lambda: next(left, None))
    assert selfplay.num_active == 2 and evaluator.num_rows == [2]
    records = finish(selfplay, evaluator, [])
    expected = encoded(play(CONNECT_FOUR, config(5), [4, 6]))
    assert encoded(records) == expected


@pytest.mark.parametrize("num_waves", [0, 1, 5])
def test_abandoned_games_are_named_and_can_be_played_again(num_waves: int) -> None:
    selfplay, evaluator = Selfplay(CONNECT_FOUR, config(4), SEED), HashedEvaluator(CONNECT_FOUR, 2, 7)
    assert selfplay.abandon() == []
    numbers = iter(range(4))
    done = [record for _ in range(num_waves) for record in selfplay.wave(evaluator, lambda: next(numbers, None))]
    assert done == []
    assert sorted(selfplay.abandon()) == (list(range(4)) if num_waves else [])
    assert selfplay.num_active == 0 and selfplay.wave(evaluator, lambda: None) == []
    assert encoded(finish(selfplay, evaluator, range(4))) == encoded(play(CONNECT_FOUR, config(4), range(4)))


@pytest.mark.parametrize("same_evaluator", [True, False])
def test_a_new_network_takes_over_between_waves(same_evaluator: bool) -> None:
    selfplay = Selfplay(CONNECT_FOUR, config(6, cache_entries=1 << 8), SEED)
    evaluator = HashedEvaluator(CONNECT_FOUR, 3, 1)
    numbers = iter(range(12))
    records: list[GameRecord] = []
    for wave in range(100_000):
        if wave in (12, 25):
            if same_evaluator:
                evaluator.network_id += 1
            else:
                evaluator = HashedEvaluator(CONNECT_FOUR, 3, evaluator.network_id + 1)
        records += selfplay.wave(evaluator, lambda: next(numbers, None))
        if selfplay.num_active == 0:
            break
    assert len(records) == 12
    asked = [record.steps["network_id"][record.steps["network_id"] > 0].astype(int) for record in records]
    assert all((np.diff(networks) >= 0).all() for networks in asked)
    assert set(np.concatenate(asked).tolist()) == {1, 2, 3}
    for record in records:
        for _ in positions(CONNECT_FOUR, record):
            pass


def test_an_evaluator_of_another_batch_size_has_to_wait() -> None:
    selfplay, numbers = Selfplay(CONNECT_FOUR, config(4), SEED), iter(range(4))
    selfplay.wave(HashedEvaluator(CONNECT_FOUR, 4, 7), lambda: next(numbers, None))
    with pytest.raises(ValueError, match="in flight"):
        selfplay.wave(HashedEvaluator(CONNECT_FOUR, 2, 7), lambda: next(numbers, None))
    assert len(selfplay.abandon()) == 4
    assert len(finish(selfplay, HashedEvaluator(CONNECT_FOUR, 2, 7), range(4))) == 4


@pytest.mark.parametrize(
    "wrong",
    [
        {"games_per_worker": 0},
        {"simulations": 0},
        {"fast_simulations": -1},
        {"full_search_fraction": 0.0},
        {"full_search_fraction": 1.5},
        {"max_opening_plies": -1},
        {"opening_policy_share": 1.1},
        {"detour_share": 1.0},
        {"decided_value": 0.0},
        {"cache_entries": -1},
    ],
    ids=str,
)
def test_wrong_numbers_are_one_clear_line(wrong: dict[str, float]) -> None:
    with pytest.raises(UserError) as error:
        SelfplayConfig(**wrong)  # type: ignore[arg-type]
    assert "\n" not in str(error.value) and next(iter(wrong)) in str(error.value)
