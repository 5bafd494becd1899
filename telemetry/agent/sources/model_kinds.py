"""How the model servers of the day are asked: OpenAI-like, Ollama, Open Inference Protocol, a file.

A server that lists a model need not answer: several keep listing after their engine has died.
With `canary` one short answer is asked for as well, and only that counts as responding.
"""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from telemetry.agent.config import ModelEndpoint

TIMEOUT_SECONDS = 5.0
_MAX_ANSWER_BYTES = 4 << 20
_HEX_SHA256 = re.compile(r"[0-9a-f]{64}")

State = Literal["ready", "loading", "absent", "failed"]


class ModelServerError(Exception):
    """The model's server does not answer, or not as its kind does; the text says how."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was found of one model."""

    state: State
    version: str = ""
    digest: str = ""
    detail: str = ""


def ask_openai(endpoint: ModelEndpoint) -> Found:
    """Look for the model in `/v1/models`; its list names no version."""
    url = endpoint.url.rstrip("/").removesuffix("/v1")
    listed = _get(f"{url}/v1/models")
    if not any(entry.get("id") == endpoint.name for entry in _dicts(listed, "data")):
        return Found("absent", detail="The server does not list this model.")
    if endpoint.canary:
        messages = [{"role": "user", "content": "Say yes."}]
        body = {"model": endpoint.name, "messages": messages, "max_tokens": 1, "temperature": 0}
        _post(f"{url}/v1/chat/completions", body)
    return Found("ready")


def ask_ollama(endpoint: ModelEndpoint) -> Found:
    """Look for the model in `/api/ps`, then in `/api/tags`.

    Ollama unloads a model after some idle minutes and loads it on demand: installed is ready.
    """
    url = endpoint.url.rstrip("/")
    names = (endpoint.name, f"{endpoint.name}:latest")
    for path, detail in (("/api/ps", ""), ("/api/tags", "Installed, loaded when asked for.")):
        for entry in _dicts(_get(url + path), "models"):
            if entry.get("name") in names:
                if endpoint.canary:
                    options = {"num_predict": 1, "temperature": 0}
                    body = {"model": endpoint.name, "prompt": "Say yes.", "stream": False}
                    _post(f"{url}/api/generate", {**body, "options": options})
                digest = _digest(entry.get("digest"))
                return Found("ready", digest=digest, detail=detail)
    return Found("absent", detail="The server has no such model.")


def ask_oip(endpoint: ModelEndpoint) -> Found:
    """Ask the Open Inference Protocol (Triton, KServe, MLServer) for readiness and versions."""
    url = f"{endpoint.url.rstrip('/')}/v2/models/{quote(endpoint.name, safe='')}"
    status, _ = _exchange("GET", f"{url}/ready")
    if status == http.client.NOT_FOUND:
        return Found("absent", detail="The server has no such model.")
    if status != http.client.OK:
        return Found("loading", detail=f"The server says it is not ready ({status}).")
    described = _get(url)
    versions = described.get("versions")
    newest = str(versions[-1]) if isinstance(versions, list) and versions else ""
    return Found("ready", version=newest)


def ask_file(endpoint: ModelEndpoint) -> Found:
    """Read `{"version": ..., "digest": ..., "state": ...}` from a local model store."""
    try:
        data = json.loads(Path(endpoint.url).read_bytes())
    except FileNotFoundError:
        return Found("absent", detail="The file is not there.")
    except OSError as exc:
        raise ModelServerError(f"The file cannot be read: {exc.strerror}.") from exc
    except ValueError as exc:
        raise ModelServerError(f"The file is not JSON: {exc}.") from exc
    if not isinstance(data, dict):
        raise ModelServerError("The file holds no JSON object.")
    state: State = "ready"
    for word in ("loading", "absent", "failed"):
        if data.get("state") == word:
            state = word
    return Found(state, version=str(data.get("version", "")), digest=_digest(data.get("digest")))


ASK: Mapping[str, Callable[[ModelEndpoint], Found]] = {
    "openai": ask_openai,
    "ollama": ask_ollama,
    "oip": ask_oip,
    "file": ask_file,
}


def _get(url: str) -> dict[str, Any]:
    return _object(url, *_exchange("GET", url))


def _post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    return _object(url, *_exchange("POST", url, json.dumps(body)))


def _object(url: str, status: int, body: bytes) -> dict[str, Any]:
    path = urlsplit(url).path
    if status != http.client.OK:
        raise ModelServerError(f"{path} answers {status}.")
    try:
        data = json.loads(body)
    except ValueError as exc:
        raise ModelServerError(f"{path} answers no JSON.") from exc
    if not isinstance(data, dict):
        raise ModelServerError(f"{path} answers no JSON object.")
    return data


def _exchange(method: str, url: str, body: str | None = None) -> tuple[int, bytes]:
    parts = urlsplit(url)
    is_tls = parts.scheme == "https"
    kind = http.client.HTTPSConnection if is_tls else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)
    headers = {"Content-Type": "application/json"} if body is not None else {}
    try:
        connection.request(method, parts.path, body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read(_MAX_ANSWER_BYTES)
    except (OSError, http.client.HTTPException) as exc:
        reason = getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
        raise ModelServerError(f"The server does not answer: {reason}.") from exc
    finally:
        connection.close()


def _dicts(data: dict[str, Any], key: str) -> list[dict[str, Any]]:
    entries = data.get(key)
    return [entry for entry in entries or [] if isinstance(entry, dict)]


def _digest(value: object) -> str:
    text = value if isinstance(value, str) else ""
    return f"sha256:{text}" if _HEX_SHA256.fullmatch(text) else text
