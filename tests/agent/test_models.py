"""Models are asked of real HTTP servers on this machine that answer as the real ones do."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from telemetry.agent.config import ModelEndpoint
from telemetry.agent.measuring import ask
from telemetry.agent.sources.models import POLL_SECONDS, ModelsSource
from telemetry.protocol import ReportedItem
from tests.agent.clocks import NOON

HEX = "ab" * 32


class ModelServer(ThreadingHTTPServer):
    """Answers each path with a status and a body."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, tuple[int, Any]] = {}
        self.asked: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: ModelServer

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer()

    def _answer(self) -> None:
        self.server.asked.append((self.command, self.path))
        status, body = self.server.answers.get(self.path, (404, {}))
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def look_at(endpoint: ModelEndpoint) -> tuple[ReportedItem, dict[str, float]]:
    answer = ask(ModelsSource([endpoint]), NOON)
    assert answer.items is not None
    assert {sample.device for sample in answer.samples} <= {endpoint.name}
    return answer.items[0], {sample.metric: sample.value for sample in answer.samples}


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
def test_an_openai_like_server_is_asked_for_its_list(server: ModelServer, suffix: str) -> None:
    server.answers["/v1/models"] = (200, {"object": "list", "data": [{"id": "llama"}]})
    item, readings = look_at(ModelEndpoint(name="llama", kind="openai", url=server.url + suffix))
    assert (item.kind, item.name, item.state) == ("model", "llama", "ready")
    assert readings["mdc.model.responding"] == 1.0
    assert readings["mdc.model.latency"] > 0


def test_a_model_that_is_not_listed_is_absent_and_does_not_respond(server: ModelServer) -> None:
    server.answers["/v1/models"] = (200, {"data": [{"id": "other"}]})
    item, readings = look_at(ModelEndpoint(name="llama", kind="openai", url=server.url))
    assert item.state == "absent"
    assert readings == {"mdc.model.responding": 0.0}


@pytest.mark.parametrize(
    ("status", "state", "responding"), [(200, "ready", 1.0), (500, "failed", 0.0)]
)
def test_a_canary_shows_whether_a_listed_model_answers(
    server: ModelServer, status: int, state: str, responding: float
) -> None:
    server.answers["/v1/models"] = (200, {"data": [{"id": "llama"}]})
    server.answers["/v1/chat/completions"] = (status, {"choices": []})
    endpoint = ModelEndpoint(name="llama", kind="openai", url=server.url, canary=True)
    item, readings = look_at(endpoint)
    assert (item.state, readings["mdc.model.responding"]) == (state, responding)


def test_ollama_reports_the_digest_of_a_loaded_model(server: ModelServer) -> None:
    server.answers["/api/ps"] = (200, {"models": [{"name": "llama3:latest", "digest": HEX}]})
    item, _ = look_at(ModelEndpoint(name="llama3", kind="ollama", url=server.url))
    assert (item.state, item.digest, item.detail) == ("ready", f"sha256:{HEX}", "")


def test_an_ollama_model_that_loads_on_demand_is_ready(server: ModelServer) -> None:
    server.answers["/api/ps"] = (200, {"models": []})
    server.answers["/api/tags"] = (200, {"models": [{"name": "llama3:8b", "digest": HEX}]})
    server.answers["/api/generate"] = (200, {"response": "yes"})
    endpoint = ModelEndpoint(name="llama3:8b", kind="ollama", url=server.url, canary=True)
    item, readings = look_at(endpoint)
    assert (item.state, item.digest) == ("ready", f"sha256:{HEX}")
    assert ("POST", "/api/generate") in server.asked
    assert readings["mdc.model.responding"] == 1.0


def test_an_ollama_without_the_model_says_absent(server: ModelServer) -> None:
    server.answers["/api/ps"] = (200, {"models": None})
    server.answers["/api/tags"] = (200, {})
    item, _ = look_at(ModelEndpoint(name="llama3", kind="ollama", url=server.url))
    assert item.state == "absent"


@pytest.mark.parametrize(("status", "state"), [(200, "ready"), (400, "loading"), (404, "absent")])
def test_the_open_inference_protocol_tells_readiness_and_version(
    server: ModelServer, status: int, state: str
) -> None:
    server.answers["/v2/models/vision%2Fa/ready"] = (status, b"")
    server.answers["/v2/models/vision%2Fa"] = (200, {"name": "vision/a", "versions": ["1", "7"]})
    item, _ = look_at(ModelEndpoint(name="vision/a", kind="oip", url=server.url))
    assert (item.state, item.version) == (state, "7" if state == "ready" else "")


@pytest.mark.parametrize("body", [b"<html>", b"[1]"])
def test_an_answer_of_another_kind_is_a_failed_model(server: ModelServer, body: bytes) -> None:
    server.answers["/v1/models"] = (200, body)
    item, readings = look_at(ModelEndpoint(name="llama", kind="openai", url=server.url))
    assert item.state == "failed"
    assert "/v1/models answers no JSON" in item.detail
    assert readings == {"mdc.model.responding": 0.0}


def test_a_server_that_is_down_is_a_failed_model(server: ModelServer) -> None:
    url = server.url
    server.server_close()
    item, readings = look_at(ModelEndpoint(name="llama", kind="oip", url=url))
    assert (item.state, readings) == ("failed", {"mdc.model.responding": 0.0})
    assert item.detail.startswith("The server does not answer: ")


@pytest.mark.parametrize(
    ("content", "state", "version", "digest"),
    [
        ('{"version": "1.4.0", "digest": "sha256:12"}', "ready", "1.4.0", "sha256:12"),
        ('{"version": 3, "state": "loading"}', "loading", "3", ""),
        (f'{{"digest": "{HEX}"}}', "ready", "", f"sha256:{HEX}"),
        ("nonsense", "failed", "", ""),
        ("[]", "failed", "", ""),
    ],
)
def test_a_model_store_is_read_from_its_file(
    tmp_path: Path, content: str, state: str, version: str, digest: str
) -> None:
    (tmp_path / "store.json").write_text(content)
    endpoint = ModelEndpoint(name="vision", kind="file", url=str(tmp_path / "store.json"))
    item, readings = look_at(endpoint)
    assert (item.state, item.version, item.digest) == (state, version, digest)
    assert readings == {}


def test_a_missing_store_means_an_absent_model(tmp_path: Path) -> None:
    item, _ = look_at(ModelEndpoint(name="vision", kind="file", url=str(tmp_path / "nowhere")))
    assert item.state == "absent"


def test_models_are_not_asked_more_often_than_every_poll(server: ModelServer) -> None:
    moments = [0.0]
    endpoint = ModelEndpoint(name="llama", kind="openai", url=server.url)
    source = ModelsSource([endpoint], monotonic=lambda: moments[-1])
    ask(source, NOON)
    moments.append(POLL_SECONDS - 1)
    between = ask(source, NOON)
    moments.append(POLL_SECONDS)
    ask(source, NOON)
    assert between.samples == []
    assert between.items is not None
    assert len(between.items) == 1
    assert len(server.asked) == 2
