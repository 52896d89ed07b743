"""How it learns: search, self-play, replay, learning. Knows a game only by `games.base`."""
