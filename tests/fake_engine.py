"""A scripted GTP engine for the tests of matches: plays the first free point of its list, or misbehaves.

    python fake_engine.py BEHAVIOUR AFTER POINT...

It misbehaves from its move number AFTER (counted from 0) on.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time


def main() -> None:
    behaviour, after, points = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    if behaviour == "mute":
        time.sleep(1000)
    taken: list[str] = []
    num_moves = 0
    for line in sys.stdin:
        words = line.split()
        misbehaves = words[0] == "genmove" and num_moves >= after
        num_moves += words[0] == "genmove"
        answer = "= 2" if words[0] == "protocol_version" else "="
        if words[0] == "clear_board":
            taken, num_moves = [], 0
        elif words[0] == "play":
            taken.append(words[2])
            if behaviour == "passless" and words[2] == "pass":
                answer = "? syntax error"
            if behaviour == "stubborn" and len(taken) > after:
                answer = "? I do not like it"
        elif words[0] == "final_status_list":
            answer = "= " + " ".join(points) if words[1] == "alive" else "="
        elif words[0] == "quit":
            if behaviour == "immortal":
                time.sleep(1000)
            print("=\n", flush=True)
            return
        elif misbehaves and behaviour != "good":
            answer = misbehave(behaviour, taken)
        elif words[0] == "genmove":
            free = [point for point in points if point not in taken]
            taken.append(free[0])
            answer = f"= {free[0]}"
        print(f"{answer}\n", flush=True)


def misbehave(behaviour: str, taken: list[str]) -> str:
    """The answer to genmove of an engine that does."""
    if behaviour == "crash":
        print("out of cheese", file=sys.stderr, flush=True)
        os._exit(7)
    if behaviour in ("hang", "immortal"):
        if behaviour == "hang":
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
        time.sleep(1000)
    answers = {
        "illegal": f"= {taken[0] if taken else 'z9'}",
        "garbage": "hello there",
        "nonsense": "= pay 5",
        "refuse": "? no idea",
        "pass": "= PASS",
        "resign": "= Resign",
    }
    return answers[behaviour]


main()
