"""A pager that stands outside the product: it receives, checks and writes down pages."""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from standardwebhooks import Webhook, WebhookVerificationError

from fleet.management.demo.files import DemoFiles

_MAX_BODY_BYTES = 64 * 1024


class Command(BaseCommand):
    help = "Run the demo's pager on 127.0.0.1; /demo/pager shows what it received."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        default = int(os.environ.get("HEARTHWATCH_DEMO_PAGER_PORT", "8001"))
        parser.add_argument("--port", type=int, default=default)

    def handle(self, *args: Any, port: int, **options: Any) -> None:
        files = DemoFiles(settings.HEARTHWATCH_HOME)
        server = PagerServer(("127.0.0.1", port), files)
        self.stdout.write(f"The demo's pager listens on http://127.0.0.1:{port}/pager/...")
        server.serve_forever()


class PagerServer(ThreadingHTTPServer):
    """Receives pages; each is appended to one file, as a line of JSON."""

    def __init__(self, address: tuple[str, int], files: DemoFiles) -> None:
        super().__init__(address, PagerHandler)
        self.files = files
        self.lock = Lock()

    def write_down(self, entry: dict[str, Any]) -> None:
        """Append one received page to the file."""
        with self.lock, Path(self.files.received_pages).open("a", encoding="utf-8") as log:
            log.write(json.dumps(entry, ensure_ascii=False) + "\n")


class PagerHandler(BaseHTTPRequestHandler):
    """Answers 204 to a page whose signature holds, 401 to any other."""

    server: PagerServer

    def do_POST(self) -> None:
        """Take one page."""
        size = min(int(self.headers.get("content-length") or 0), _MAX_BODY_BYTES)
        body = self.rfile.read(size)
        key = self.path.removeprefix("/pager/")
        verdict = check_signature(
            self.server.files.read_pager_secrets().get(key, ""), body, dict(self.headers)
        )
        self.server.write_down(
            {
                "received_at": datetime.now(UTC).isoformat(),
                "pager": key,
                "webhook_id": self.headers.get("webhook-id", ""),
                "verified": verdict == "",
                "verdict": verdict,
                "body": _as_json(body),
            }
        )
        self.send_response(204 if verdict == "" else 401)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the terminal quiet; the file says it all."""


def check_signature(secret: str, body: bytes, headers: dict[str, str]) -> str:
    """Return an empty text when the signature holds, and what is wrong otherwise."""
    if not secret:
        return "nobody has this pager"
    lowered = {name.lower(): value for name, value in headers.items()}
    try:
        Webhook(secret).verify(body, lowered)
    except (WebhookVerificationError, ValueError) as exc:
        # The library lets ValueError and binascii.Error escape for garbled headers.
        return f"{type(exc).__name__}: {exc}"
    return ""


def _as_json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return {"unreadable": body[:200].decode(errors="replace")}
