"""docker-compose.yml as the tests read it: parsed, with the variables of an environment file put in.

`compose-spec.json` beside this file is the Compose Specification's JSON schema, unchanged, as compose-go 2.16.2
brings it (Apache License 2.0: compose-spec.LICENSE, compose-spec.NOTICE).
"""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

from connectors.settings import PROJECT

FILE: Final = PROJECT / "docker-compose.yml"
EXAMPLE: Final = PROJECT / ".env.example"
# $$, ${NAME}, ${NAME:-default}, ${NAME:?what is wrong}
VARIABLE: Final = re.compile(r"\$(?:(\$)|\{([A-Z_]+)(?::(-|\?)([^}]*))?\})")
COMMANDS: Final = ("upgrade", "topics", "connectors", "samples", "cli")
"""Services that run once and end."""


def environment_file(text: str) -> dict[str, str]:
    """NAME=value lines; comments and empty lines are nothing."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def example(*, secret: str = "s3cret" * 6) -> dict[str, str]:
    """The example's variables, with something in place of the secrets that it leaves out."""
    return {name: value or secret for name, value in environment_file(EXAMPLE.read_text()).items()}


def interpolate(value: Any, variables: dict[str, str]) -> Any:
    """Put variables in, everywhere in a parsed file."""
    if isinstance(value, dict):
        return {key: interpolate(one, variables) for key, one in value.items()}
    if isinstance(value, list):
        return [interpolate(one, variables) for one in value]
    return VARIABLE.sub(lambda found: _one(found, variables), value) if isinstance(value, str) else value


def _one(found: re.Match[str], variables: dict[str, str]) -> str:
    dollar, name, operator, operand = found.groups()
    if dollar:
        return "$"
    if variables.get(name):
        return variables[name]
    if operator == "-":
        return str(operand)
    raise KeyError(f"{name} is not set: {operand or 'and has no default'}")


def raw() -> dict[str, Any]:
    """The file with its anchors resolved and its variables as they stand there."""
    parsed: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return parsed


def services() -> dict[str, dict[str, Any]]:
    """The services, with the example's variables."""
    found: dict[str, dict[str, Any]] = interpolate(raw(), example())["services"]
    return found


def tag(service: str) -> str:
    """Version of a service's image."""
    image: str = services()[service]["image"]
    return image.rpartition(":")[2]
