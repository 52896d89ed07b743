"""A training run: self-play workers, the learner, evaluation, and what a person sees of them."""
