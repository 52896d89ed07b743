"""Writers of games are killed at random moments, again and again, in one directory: run by test_replay_chunks.py.

Every trial forks a writer that leases game numbers, appends games, and tells each number when `append` has returned.
"""

from __future__ import annotations

import os
import random
import select
import signal
import sys
import time
from pathlib import Path

from recorded_games import random_game

import games
from games.base import Game
from rl.replay.chunks import ChunkWriter, recover, scan
from rl.replay.leases import Leases
from rl.replay.mixture import Mixture
from rl.replay.records import GameRecord, encode

CHUNK_BYTES = 3000


def write_for_ever(directory: Path, game: Game, pool: list[GameRecord], told: int) -> None:
    writer = ChunkWriter(directory, game, "w0", chunk_bytes=CHUNK_BYTES, fsync_seconds=0.02)
    leases = Leases(directory / "leases.jsonl")
    while True:
        for number in leases.take("w0", 5):
            writer.append(pool[number % len(pool)]._replace(game_number=number))
            os.write(told, b"%d\n" % number)


def kill_one(directory: Path, game: Game, pool: list[GameRecord], from_first_game: bool, seconds: float) -> list[int]:
    """Kill a writer that long after it began, or after its first game; the numbers it acknowledged."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            write_for_ever(directory, game, pool, writing)
        finally:
            os._exit(1)
    os.close(writing)
    if from_first_game:
        select.select([reading], [], [], 30.0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "the writer ended by itself"
    with os.fdopen(reading, "rb") as pipe:
        return [int(line) for line in pipe.read().split()]


def main(directory: Path, trials: int) -> None:
    game = games.make("tic_tac_toe")
    pool = [random_game(game, number) for number in range(20)]
    rng = random.Random(7)
    acknowledged: list[int] = []
    for trial in range(trials):
        acknowledged += kill_one(directory, game, pool, trial % 3 > 0, rng.uniform(0.0, 0.03))
        assert len(set(acknowledged)) == len(acknowledged), "a number was leased twice"
        if trial % 5 == 4:
            recover(directory, game)
        records = list(scan(directory, Mixture.of(game)))
        numbers = [record.game_number for record in records]
        assert len(set(numbers)) == len(numbers), "a game was doubled"
        assert set(acknowledged) <= set(numbers), "an acknowledged game was lost"
        assert len(numbers) <= len(acknowledged) + trial + 1, "more than the games in flight were added"
        for record in records:
            assert encode(record) == encode(pool[record.game_number % 20]._replace(game_number=record.game_number))
    print(len(acknowledged))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
