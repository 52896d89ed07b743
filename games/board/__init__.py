"""Board games, one file each."""
