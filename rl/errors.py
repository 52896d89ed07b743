"""What a person can mend: raised with one clear line, printed without a traceback, exit code 2."""

from __future__ import annotations


class UserError(Exception):
    """Bad input: the message alone tells a person what is wrong and what to do."""
