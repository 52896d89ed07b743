"""Who plays against whom, and what follows from it: players, openings, matches, ratings, the solved truth."""
