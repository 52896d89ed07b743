"""Robots that are watched: who moves them, the episode that is played, its goal, films of it, and all that in lines.

Nothing here knows a screen or a robot: games are asked, as `SimulatedGame` has it.
"""
