"""The shapes of sessions and passwords as JSON."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, SecretStr

from api.core.schemas import Shape
from api.users.passwords import LONGEST, SHORTEST


class SignIn(BaseModel):
    """What signing in takes."""

    email: Annotated[str, Field(max_length=255)]
    password: Annotated[SecretStr, Field(max_length=1000)]


class NewPassword(SignIn):
    """What a new password takes: the old one, and the new one."""

    # The lengths are documented here and checked later: a refused password is answered with its reason (passwords.py).
    new_password: Annotated[SecretStr, Field(json_schema_extra={"minLength": SHORTEST, "maxLength": LONGEST})]


class SessionOut(Shape):
    """Who is signed in."""

    user_id: int
    email: str
    name: str | None
    role: str
    reward_group_id: int | None
