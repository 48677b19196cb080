"""What all JSON shares: the base of its shapes, and the answer to a request that failed.

Points are integers, money is decimal text in dollars, dates are ISO.
"""

from __future__ import annotations

from typing import Any, Final

import orjson
from fastapi import Response
from pydantic import BaseModel, ConfigDict


class Shape(BaseModel):
    """A shape that is filled from an object's attributes."""

    model_config = ConfigDict(from_attributes=True)


def answer(content: object) -> Response:
    """Answer with rows of the database (dataclasses, dictionaries) as they are: a long list costs a third of what it does as its shape.

    Tests hold the answer against the shape that the endpoint documents (`response_model`).
    """
    return Response(orjson.dumps(content, option=orjson.OPT_UTC_Z), media_type="application/json")


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
