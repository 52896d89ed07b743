"""How the network is trained: losses, the learner, and what a checkpoint keeps of it."""
