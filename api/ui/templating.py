"""The templates of all pages: filters, static files' addresses, and what every page is given."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from api.permissions import Viewer
from api.sessions import form_token
from api.settings import WebSettings
from api.ui import formatting
from api.ui.words import explain

HERE: Final = Path(__file__).parent
STATIC: Final = HERE / "static"


def _address_of(name: str) -> str:
    """Return the address of a static file, which changes with its content so that browsers may keep it."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


def make_environment(settings: WebSettings) -> Environment:
    """Return the environment that renders pages and the parts of pages that are sent alone."""
    environment = Environment(
        loader=FileSystemLoader([HERE / "templates", HERE.parent / "dashboard" / "templates"]),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    zone = settings.zone
    environment.filters |= {
        "points": formatting.points,
        "signed": formatting.signed_points,
        "money": formatting.money,
        "day": formatting.day,
        "duration": formatting.duration,
        "moment": lambda value: formatting.moment(value, zone),
        "local_day": lambda value: formatting.day(value.astimezone(zone).date()),
        "path": lambda value: quote(str(value), safe=""),
        "explain": explain,
    }
    addresses = {path.name: _address_of(path.name) for path in STATIC.iterdir() if path.is_file()}
    environment.globals |= {"static": addresses.__getitem__}
    return environment


def render_part(environment: Environment, template: str, part: str, **values: Any) -> str:  # noqa: ANN401
    """One macro of a template: the same HTML in the page and in a live update."""
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
