"""The agent's settings: one TOML file, read at start, refused loudly when something is wrong."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

INGEST_PATH = "/ws/ingest/"
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")

ModelKind = Literal["openai", "ollama", "oip", "file"]
MODEL_KINDS: tuple[ModelKind, ...] = ("openai", "ollama", "oip", "file")
SOURCE_NAMES = ("host", "hwmon", "pressure", "gpu")
_MAX_NAME = 100
_MAX_NODE_NAME = 64


class ConfigError(Exception):
    """A setting that cannot be used; the text names the key and its legal values."""


@dataclass(frozen=True, kw_only=True)
class SpoolConfig:
    """Where unsent batches wait, and how much may wait there."""

    path: Path
    max_mb: int = 512
    max_days: int = 14


@dataclass(frozen=True, kw_only=True)
class FileToDigest:
    """One configuration file whose content the fleet wants to compare."""

    name: str
    path: Path


@dataclass(frozen=True, kw_only=True)
class ModelEndpoint:
    """One model: where to ask for it. `url` is a path when the kind is "file"."""

    name: str
    kind: ModelKind
    url: str
    canary: bool = False


@dataclass(frozen=True, kw_only=True)
class AgentConfig:
    """Everything one agent needs to run."""

    server: str
    token: str = field(repr=False)
    node: str
    spool: SpoolConfig
    window_seconds: int = 60
    sample_seconds: float = 5.0
    reconnect_spread_seconds: float = 30.0
    sources: frozenset[str] = frozenset(SOURCE_NAMES)
    files: tuple[FileToDigest, ...] = ()
    models: tuple[ModelEndpoint, ...] = ()

    @property
    def is_token_exposed(self) -> bool:
        """Whether the token would cross a network unencrypted."""
        url = urlsplit(self.server)
        return url.scheme == "ws" and url.hostname not in LOOPBACK_HOSTS


def load_config(path: Path) -> AgentConfig:
    """Return the settings in the file; raise `ConfigError` with one sentence otherwise."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read ({exc.strerror}); name a readable file.") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path} is not TOML: {exc}; correct that line.") from exc
    return parse_config(data, folder=path.parent, source=str(path))


def parse_config(
    data: Mapping[str, Any], *, folder: Path, source: str = "agent.toml"
) -> AgentConfig:
    """Return the settings in `data`; relative paths start at `folder`."""
    table = _Table(data, where=source, prefix="")
    config = AgentConfig(
        server=_server(table),
        token=_token(table, folder),
        node=table.text("node", high=_MAX_NODE_NAME),
        window_seconds=table.whole("window_seconds", default=60, low=1, high=3600),
        sample_seconds=table.number("sample_seconds", default=5.0, low=0.05, high=3600),
        reconnect_spread_seconds=table.number(
            "reconnect_spread_seconds", default=30.0, low=0, high=3600
        ),
        spool=_spool(table.sub("spool"), folder),
        sources=_sources(table.sub("sources")),
        files=tuple(_file(each, folder) for each in table.list_of("files")),
        models=tuple(_model(each, folder) for each in table.list_of("models")),
    )
    table.refuse_unknown()
    if config.sample_seconds > config.window_seconds:
        raise table.error("sample_seconds", f"use at most window_seconds ({config.window_seconds})")
    _refuse_doubles(table, "files", [item.name for item in config.files])
    _refuse_doubles(table, "models", [item.name for item in config.models])
    return config


class _Table:
    """One TOML table that knows its place and which of its keys were asked for."""

    def __init__(self, data: Mapping[str, Any], *, where: str, prefix: str) -> None:
        self._data = data
        self._where = where
        self._prefix = prefix
        self._known: list[str] = []

    def error(self, key: str, legal: str) -> ConfigError:
        shown = f" = {self._data[key]!r}" if key in self._data else " is missing"
        if "token" in key:
            # A token typed in the wrong form must not end up in a log.
            shown = " cannot be used" if key in self._data else " is missing"
        return ConfigError(f"{self._where}: {self._prefix}{key}{shown}: {legal}.")

    def get(self, key: str) -> Any:
        self._known.append(key)
        return self._data.get(key)

    def text(self, key: str, *, high: int = _MAX_NAME) -> str:
        value = self.get(key)
        if not isinstance(value, str) or not 0 < len(value) <= high or not value.isprintable():
            raise self.error(key, f"use a text of 1 to {high} printable characters")
        return value

    def whole(self, key: str, *, default: int, low: int, high: int) -> int:
        value = self.get(key)
        if value is None:
            return default
        if type(value) is not int or not low <= value <= high:
            raise self.error(key, f"use a whole number from {low} to {high}")
        return value

    def number(self, key: str, *, default: float, low: float, high: float) -> float:
        value = self.get(key)
        if value is None:
            return default
        if type(value) not in (int, float) or not low <= value <= high:
            raise self.error(key, f"use a number from {low:g} to {high:g}")
        return float(value)

    def flag(self, key: str, *, default: bool) -> bool:
        value = self.get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.error(key, "use true or false")
        return value

    def sub(self, key: str) -> _Table:
        value = self.get(key)
        if value is not None and not isinstance(value, dict):
            raise self.error(key, f"use a table, [{key}]")
        return _Table(value or {}, where=self._where, prefix=f"{key}.")

    def list_of(self, key: str) -> list[_Table]:
        value = self.get(key)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.error(key, f"use tables, [[{key}]]")
        return [
            _Table(item, where=self._where, prefix=f"{key}[{index}].")
            for index, item in enumerate(value, start=1)
        ]

    def refuse_unknown(self) -> None:
        for key in self._data:
            if key not in self._known:
                known = ", ".join(self._known)
                raise ConfigError(
                    f"{self._where}: {self._prefix}{key} is not a known key; use one of: {known}."
                )


def _server(table: _Table) -> str:
    legal = "use an address like wss://hearthwatch.example/ws/ingest/"
    value = table.get("server")
    if not _is_address(value, ("ws", "wss")):
        raise table.error("server", legal)
    url = urlsplit(str(value))
    return urlunsplit(url._replace(path=INGEST_PATH)) if url.path in ("", "/") else url.geturl()


def _is_address(value: object, schemes: tuple[str, ...]) -> bool:
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        return False
    try:
        url = urlsplit(value)
        return url.scheme in schemes and bool(url.hostname) and url.port != 0 and " " not in value
    except ValueError:
        return False


def _token(table: _Table, folder: Path) -> str:
    given, file = table.get("token"), table.get("token_file")
    if (given is None) == (file is None):
        raise table.error("token", "use exactly one of token and token_file")
    if file is not None:
        if not isinstance(file, str):
            raise table.error("token_file", "use the path of a readable file")
        try:
            given = (folder / file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as exc:
            raise table.error("token_file", "use the path of a readable file") from exc
    if not isinstance(given, str) or not given or not given.isascii() or not given.isprintable():
        key = "token" if file is None else "token_file"
        raise table.error(key, "use the token that `manage.py create_agent_token` printed")
    return given


def _spool(table: _Table, folder: Path) -> SpoolConfig:
    path = "spool.sqlite3" if table.get("path") is None else table.text("path", high=4096)
    config = SpoolConfig(
        path=folder / path,
        max_mb=table.whole("max_mb", default=512, low=1, high=1_000_000),
        max_days=table.whole("max_days", default=14, low=1, high=365),
    )
    table.refuse_unknown()
    return config


def _sources(table: _Table) -> frozenset[str]:
    chosen = frozenset(name for name in SOURCE_NAMES if table.flag(name, default=True))
    table.refuse_unknown()
    return chosen


def _file(table: _Table, folder: Path) -> FileToDigest:
    file = FileToDigest(name=table.text("name"), path=folder / table.text("path", high=4096))
    table.refuse_unknown()
    return file


def _model(table: _Table, folder: Path) -> ModelEndpoint:
    name, kind = table.text("name"), table.get("kind")
    if kind not in MODEL_KINDS:
        raise table.error("kind", f"use one of: {', '.join(MODEL_KINDS)}")
    canary = table.flag("canary", default=False)
    if canary and kind not in ("openai", "ollama"):
        raise table.error("canary", 'use it with kind "openai" or "ollama" only')
    url = table.text("url", high=4096)
    if kind == "file":
        url = str(folder / url)
    elif not _is_address(url, ("http", "https")):
        raise table.error("url", "use an address that starts with http:// or https://")
    table.refuse_unknown()
    return ModelEndpoint(name=name, kind=kind, url=url, canary=canary)


def _refuse_doubles(table: _Table, key: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{key}: the name {name!r} stands there twice; give each its own.")
