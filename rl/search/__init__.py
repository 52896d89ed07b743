"""Monte Carlo tree search over many trees at once, in waves."""
