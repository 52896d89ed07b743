"""The commands, thin: parse, look the game up, hand it to `rl`, print."""
