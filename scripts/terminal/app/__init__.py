"""The full-screen app of `keima play`: a board to play on, what the agent thinks beside it, and a review of games.

What knows no Textual: the session (the game, who plays, what was thought), the mind (the agent, in a process of its
own), the review, and how boards are drawn. The rest are widgets and screens.
"""
