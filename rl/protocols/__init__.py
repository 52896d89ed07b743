"""Text in, text out, over an agent and a game."""
