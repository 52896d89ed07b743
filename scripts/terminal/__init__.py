"""Drawing and dialogue for people at a terminal."""
