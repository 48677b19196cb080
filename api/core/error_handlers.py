"""Answers requests that failed: with a page of the site's look, or with JSON under /api."""

from __future__ import annotations

import logging
from http import HTTPStatus
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from api.core.errors import AccountClosed, RequestError, SignInRequired
from api.core.templating import page

LOG = logging.getLogger(__name__)

TITLES = {
    400: "That did not work",
    401: "Please sign in",
    403: "No access",
    404: "Nothing here",
    405: "That did not work",
    408: "That took too long",
    413: "That is too much",
    429: "Please wait",
    503: "One moment, please",
}


def add_error_handlers(app: FastAPI) -> None:
    """Answer every kind of failure."""
    app.add_exception_handler(RequestError, _refused)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(OperationalError, _database_away)
    app.add_exception_handler(PoolTimeoutError, _database_away)
    app.add_exception_handler(Exception, _fault)


def _answer(
    request: Request, status: int, text: str, *, code: str | None = None, request_id: str | None = None
) -> Response:
    if request.url.path.startswith("/api/"):
        more = {"code": code, "request_id": request_id}
        return JSONResponse({"detail": text} | {name: value for name, value in more.items() if value}, status)
    title = "Account closed" if text == AccountClosed().text else TITLES.get(status, "Something went wrong")
    viewer = getattr(request.state, "viewer", None)
    # What may go well the next time. A form is sent again by going back to it.
    retry = request.method == "GET" and status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
    return page(
        request,
        "core/error.html",
        viewer,
        status_code=status,
        title=title,
        text=text,
        request_id=request_id,
        retry=retry,
    )


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    if isinstance(error, SignInRequired) and request.method == "GET" and _wants_page(request):
        query = f"?{request.url.query}" if request.url.query else ""
        path = request.scope["raw_path"].decode("ascii")
        return RedirectResponse(f"/sign-in?next={quote(path + query, safe='')}", 303)
    if isinstance(error, AccountClosed):
        request.session.clear()
    answer = _answer(request, error.status, error.text, code=error.code)
    if error.retry_after_seconds is not None:
        answer.headers["Retry-After"] = str(error.retry_after_seconds)
    return answer


def _wants_page(request: Request) -> bool:
    path = request.url.path
    # A customer may be called `events`.
    is_stream = path.endswith("/events") and path.count("/") > len(("customers", "id"))
    return not path.startswith("/api/") and not is_stream and path != "/lag/agents"


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    text = "There is no such page." if error.status_code == HTTPStatus.NOT_FOUND else str(error.detail)
    answer = _answer(request, error.status_code, text)
    answer.headers.update(error.headers or {})
    return answer


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    if request.url.path.startswith("/api/"):
        # The answer leaves out what was sent: it may be a password.
        told = [{"where": ".".join(map(str, one["loc"])), "text": one["msg"]} for one in error.errors()]
        return JSONResponse({"detail": "The request is not valid.", "errors": told}, HTTPStatus.UNPROCESSABLE_ENTITY)
    status = HTTPStatus.NOT_FOUND if request.method == "GET" else HTTPStatus.BAD_REQUEST
    return _answer(request, status, "There is no such page." if request.method == "GET" else "The form is not valid.")


def _database_away(request: Request, error: Exception) -> Response:
    LOG.warning("the database does not answer", extra={"reason": type(error).__name__, "path": request.url.path})
    answer = _answer(
        request, HTTPStatus.SERVICE_UNAVAILABLE, "The database does not answer just now. Please try again."
    )
    answer.headers["Retry-After"] = "2"
    return answer


def _fault(request: Request, error: Exception) -> Response:
    request_id = getattr(request.state, "request_id", None)
    LOG.error("a request failed", exc_info=error, extra={"request_id": request_id, "path": request.url.path})
    request.state.fault_is_answered = True
    return _answer(
        request, HTTPStatus.INTERNAL_SERVER_ERROR, "The fault is ours and has been recorded.", request_id=request_id
    )
