"""What all JSON shares: the base of its shapes, and the answer to a request that failed.

Points are integers, money is decimal text in dollars, dates are ISO.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel, ConfigDict


class Shape(BaseModel):
    """A shape that is filled from an object's attributes."""

    model_config = ConfigDict(from_attributes=True)


class Problem(BaseModel):
    """Why there is no answer."""

    detail: str
    code: str | None = None
    """For programs: `password_expired` (choose a new one at `/api/password`), `new_password_refused`."""


Responses = dict[int | str, dict[str, Any]]

PROBLEMS: Final[Responses] = {
    401: {"model": Problem, "description": "Not signed in"},
    403: {"model": Problem, "description": "Not allowed"},
}
"""The answers that every endpoint may give."""
NOT_FOUND: Final[Responses] = {404: {"model": Problem, "description": "Not known"}}
