"""Who plays against whom, and what follows from it: players, openings, matches, ratings, ladders, the solved truth."""
