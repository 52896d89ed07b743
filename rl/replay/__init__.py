"""Finished games: how one is recorded, how records are kept on disk, and what the learner samples from them."""
