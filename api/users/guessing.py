"""Whether a new password is easy to guess: a common one, a word, a name, a date, a row of keys, or the person's own e-mail.

zxcvbn says how many guesses somebody needs who knows all that (docs/adr/0025-password-work-gives-way.md).
"""

from __future__ import annotations

import re
from typing import Final

from zxcvbn import zxcvbn

LOOKED_AT: Final = 72
"""Characters: the time of zxcvbn grows with the square of the length, and a start that is hard to guess is enough."""
SHORTEST_WORD: Final = 3
HARD_ENOUGH: Final = 3
"""Of 0 to 4: more than 100 million guesses."""
KNOWN_WORDS: Final = ("sunroc", "rewards", "clyde", "geneva")
"""Nobody has to guess them, nor the words of the person's e-mail."""
ADVICE: Final = "A few words that only you would put together are a good choice."


def guessable(password: str, email: str) -> str:
    """Return why the password is easy to guess, as a sentence for the person; empty where it is not."""
    known = {*KNOWN_WORDS, *re.split(r"[\W_]+", email)}
    words = sorted((re.escape(word) for word in known if len(word) >= SHORTEST_WORD), key=len, reverse=True)
    rest = re.sub("|".join(words), "", password, flags=re.IGNORECASE)[:LOOKED_AT]
    found = zxcvbn(rest)
    if found["score"] >= HARD_ENOUGH:
        return ""
    why = found["feedback"]["warning"].rstrip(".")
    if rest != password[:LOOKED_AT]:
        why = "Besides words of your e-mail address, or our name, there is little in it"
    return f"This password is easy to guess{f': {why[0].lower()}{why[1:]}' if why else ''}. {ADVICE}"
