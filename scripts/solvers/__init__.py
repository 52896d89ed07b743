"""Games solved exactly, to measure agents against the truth. Not part of what learns."""
