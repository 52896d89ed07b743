"""The screen on which robots are watched, moved to goals and played against.

What happens (the physics, the agent, its search, pictures) does so on a stage, in a process of its own, and comes here
as scenes: characters with colours, and numbers.
"""
