"""Every game in a size that tests can afford: kernels compile anew for each, and plain Python plays them too."""

from __future__ import annotations

SMALL_GAMES = ("tic_tac_toe", "connect_four", "go5", "othello6", "hex5", "gomoku9", "breakthrough")
"""One of each family."""

NETWORK_GAMES = ("tic_tac_toe", "connect_four", "othello6")
"""What tests of networks run over: small boards, one that is no square, one with an action that is no cell."""
