"""Assembles the HTTP applications: the API's, and the small one that a worker shows its health on."""

import asyncio
import logging
import time
import uuid

import psycopg
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hustlex_api import endpoints, metrics
from hustlex_api.inputs import services_of
from hustlex_api.services import Services

log = logging.getLogger(__name__)


async def live(request: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})


async def ready(request: Request) -> JSONResponse:
    reasons = services_of(request).monitor.not_ready()
    return JSONResponse({"status": "unready" if reasons else "ok", "reasons": reasons}, 503 if reasons else 200)


async def health(request: Request) -> JSONResponse:
    report = services_of(request).monitor.report()
    return JSONResponse(report, 200 if report["status"] == "ok" else 503)


async def show_metrics(request: Request) -> Response:
    return Response(generate_latest(), headers={"content-type": CONTENT_TYPE_LATEST})


PROBES = [
    Route("/livez", live),
    Route("/readyz", ready),
    Route("/metrics", show_metrics),
    Route("/api/v1/health", health),
]


def probe_app(services: Services) -> Starlette:
    app = Starlette(routes=PROBES)
    app.state.services = services
    return app


def api_app(services: Services) -> Starlette:
    app = Starlette(
        routes=[*PROBES, *endpoints.ROUTES],
        exception_handlers={
            HTTPException: _refuse,
            psycopg.OperationalError: _unavailable,
        },
    )
    app.state.services = services
    app.add_middleware(Observer, services=services)
    return app


async def _refuse(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)


async def _unavailable(request: Request, error: Exception) -> JSONResponse:
    log.warning("the database did not answer", extra={"reason": str(error), "path": request.url.path})
    return JSONResponse({"error": "temporarily unavailable, try again"}, 503, headers={"retry-after": "1"})


class Observer:
    """Counts, times, logs and limits each request; asks clients to leave once the process is stopping."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self.app = app
        self.services = services
        self.unobserved = {route.path for route in PROBES}
        for route in endpoints.ROUTES:
            for method in (route.methods or set()) - {"HEAD"}:
                # A failure counter that exists from the start gives an error ratio of 0 instead of no data.
                metrics.http_failures.labels(method, route.path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0
        headers = dict(scope["headers"])
        request_id = headers.get(b"x-request-id", b"").decode("latin-1")[:64] or uuid.uuid4().hex

        async def observed_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                answer = MutableHeaders(scope=message)
                answer["x-request-id"] = request_id
                if self.services.monitor.stopping:
                    answer["connection"] = "close"
            await send(message)

        if scope["path"] in self.unobserved:
            await self.app(scope, receive, observed_send)
            return
        try:
            async with asyncio.timeout(self.services.settings.request_seconds):
                await self._answer(scope, receive, observed_send)
        except Exception as error:
            log.exception("request failed", extra={"request_id": request_id, "path": scope["path"]})
            if not status:
                code = 504 if isinstance(error, TimeoutError) else 500
                await JSONResponse({"error": "internal error", "request_id": request_id}, code)(
                    scope, receive, observed_send
                )
        finally:
            self._observe(scope, status, time.perf_counter() - started, request_id)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if await self.services.settings.faults.in_request(self.services.age_seconds):
            log.error("FAULT_ERROR_RATIO: failing", extra={"path": scope["path"]})
            await JSONResponse({"error": "FAULT_ERROR_RATIO"}, 500)(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _observe(self, scope: Scope, status: int, seconds: float, request_id: str) -> None:
        route = next((r.path for r in endpoints.ROUTES if r.matches(scope)[0] is Match.FULL), "unmatched")
        method = "any" if route == "unmatched" else scope["method"]
        metrics.http_requests.labels(method, route, status).inc()
        metrics.http_duration.labels(method, route).observe(seconds)
        if status >= 500:
            metrics.http_failures.labels(method, route).inc()
        log.info(
            "request",
            extra={
                "method": scope["method"],
                "path": scope["path"],
                "route": route,
                "status": status,
                "seconds": round(seconds, 4),
                "request_id": request_id,
            },
        )
