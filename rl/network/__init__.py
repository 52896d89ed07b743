"""The policy/value network, how it is evaluated fast, and its file."""
