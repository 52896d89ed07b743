"""Games that the network plays against itself, as records to learn from."""
