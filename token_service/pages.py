"""The pages and what the browser is told about all of our answers.

The pages are public shells: whatever they show they ask for themselves, with the reader's own rights.
"""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, Response, request, send_from_directory

from realtime.endpoints import Upstream

STATIC = Path(__file__).resolve().parent.parent / "static"
HOME = "talk.html"
PAGES = ("calls.html", "call.html")
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=(), autoplay=(self)",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def blueprint(upstream: Upstream) -> Blueprint:
    """The pages, their modules and styles. The talk page alone may speak with the upstream itself (?via=token)."""
    direct = SECURITY_HEADERS["Content-Security-Policy"].replace(
        "connect-src 'self'", f"connect-src 'self' {upstream.origin}"
    )
    routes = Blueprint("pages", __name__)

    @routes.get("/")
    def home() -> Response:
        return talk()

    @routes.get(f"/{HOME}")
    def talk() -> Response:
        page = _page(HOME)
        page.headers["Content-Security-Policy"] = direct
        return page

    for name in PAGES:
        routes.add_url_rule(f"/{name}", view_func=_page, defaults={"name": name})

    @routes.get("/static/<path:name>")
    def static_file(name: str) -> Response:
        return _never_stale(send_from_directory(STATIC, name))

    routes.after_app_request(protect)
    return routes


def protect(response: Response) -> Response:
    """Headers for every answer; nothing but files is ever kept by a cache."""
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    if request.blueprint != "pages":
        response.headers["Cache-Control"] = "no-store"
    return response


def _page(name: str) -> Response:
    return _never_stale(send_from_directory(STATIC, name))


def _never_stale(response: Response) -> Response:
    # A module from before a deploy beside a page from after it fails in ways that nobody can explain.
    response.headers["Cache-Control"] = "no-cache"
    return response
