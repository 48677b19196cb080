"""Renders the templates of all features. A template's name begins with its package: `customers/customer.html`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, PrefixLoader, StrictUndefined, select_autoescape

from api.core import formatting
from api.core.addresses import segment_of
from api.core.permissions import Viewer
from api.core.sessions import form_token
from api.core.static_files import static_addresses

PACKAGES: Final = Path(__file__).parent.parent


def make_environment(zone: ZoneInfo, filters: Mapping[str, Callable[..., Any]]) -> Environment:
    """Return the environment that renders pages and the parts of pages that are sent alone.

    Args:
        zone: dates and times are shown in it.
        filters: what features add to the filters of `api.core.formatting`, by name.

    """
    folders = {folder.parent.name: FileSystemLoader(folder) for folder in PACKAGES.glob("*/templates")}
    environment = Environment(
        loader=PrefixLoader(folders),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "points": formatting.points,
        "signed": formatting.signed_points,
        "money": formatting.money,
        "day": formatting.day,
        "duration": formatting.duration,
        "moment": lambda value: formatting.moment(value, zone),
        "local_day": lambda value: formatting.day(value.astimezone(zone).date()),
        "path": lambda value: segment_of(str(value)),
        **filters,
    }
    environment.globals |= {"static": static_addresses().__getitem__}
    return environment


def render_part(environment: Environment, template: str, part: str, **values: Any) -> str:  # noqa: ANN401
    """Render one macro of a template: the page and a live update use the same HTML."""
    macro = getattr(environment.get_template(template).module, part)
    return str(macro(**values)).strip()


def page(
    request: Request,
    template: str,
    viewer: Viewer | None,
    *,
    status_code: int = 200,
    **values: Any,  # noqa: ANN401
) -> HTMLResponse:
    """Return a whole page."""
    environment: Environment = request.app.state.templates
    html = environment.get_template(template).render(
        viewer=viewer, csrf_token=form_token(request), request_path=request.url.path, status=status_code, **values
    )
    return HTMLResponse(html, status_code)
