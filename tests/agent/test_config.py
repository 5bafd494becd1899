"""Settings: what is wrong is said in one sentence that names the key and its legal values."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from telemetry.agent.config import ConfigError, load_config, parse_config

MINIMAL: dict[str, Any] = {"server": "wss://hub.example", "token": "hw_abc", "node": "edge-01"}
EXAMPLE = Path(__file__).parents[2] / "deploy" / "agent.toml.example"


def test_three_keys_are_enough(tmp_path: Path) -> None:
    config = parse_config(MINIMAL, folder=tmp_path)
    assert config.server == "wss://hub.example/ws/ingest/"
    assert (config.window_seconds, config.sample_seconds) == (60, 5.0)
    assert config.spool.path == tmp_path / "spool.sqlite3"
    assert config.sources == {"host", "hwmon", "pressure", "gpu"}


def test_an_address_with_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    config = parse_config({**MINIMAL, "server": "ws://10.0.0.1:8000/x/"}, folder=tmp_path)
    assert config.server == "ws://10.0.0.1:8000/x/"


def test_everything_can_be_set(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hw_from_file\n")
    text = """
        server = "ws://localhost:8000/ws/ingest/"
        token_file = "token"
        node = "edge-01"
        window_seconds = 10
        sample_seconds = 1
        reconnect_spread_seconds = 0
        [spool]
        path = "/var/lib/hearthwatch/spool.sqlite3"
        max_mb = 64
        max_days = 3
        [sources]
        gpu = false
        [[files]]
        name = "router"
        path = "etc/router.conf"
        [[models]]
        name = "llama3:8b"
        kind = "ollama"
        url = "http://127.0.0.1:11434"
        canary = true
        [[models]]
        name = "vision"
        kind = "file"
        url = "models/vision.json"
    """
    (tmp_path / "agent.toml").write_text(text)
    config = load_config(tmp_path / "agent.toml")
    assert config.token == "hw_from_file"
    assert (config.spool.max_mb, config.spool.max_days) == (64, 3)
    assert config.sources == {"host", "hwmon", "pressure"}
    assert config.files[0].path == tmp_path / "etc/router.conf"
    assert [(model.kind, model.canary) for model in config.models] == [
        ("ollama", True),
        ("file", False),
    ]
    assert config.models[1].url == str(tmp_path / "models/vision.json")


def test_the_example_beside_the_product_is_good(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hw_abc")
    data = tomllib.loads(EXAMPLE.read_text())
    config = parse_config({**data, "token_file": str(tmp_path / "token")}, folder=tmp_path)
    assert config.node == "edge-01"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"server": None},
            "agent.toml: server is missing: use an address like "
            "wss://hearthwatch.example/ws/ingest/.",
        ),
        (
            {"server": "https://hub.example"},
            "agent.toml: server = 'https://hub.example': use an address like "
            "wss://hearthwatch.example/ws/ingest/.",
        ),
        (
            {"token": None},
            "agent.toml: token is missing: use exactly one of token and token_file.",
        ),
        (
            {"token_file": "also"},
            "agent.toml: token cannot be used: use exactly one of token and token_file.",
        ),
        (
            {"token": None, "token_file": "nowhere"},
            "agent.toml: token_file cannot be used: use the path of a readable file.",
        ),
        (
            {"token": 12345},
            "agent.toml: token cannot be used: "
            "use the token that `manage.py create_agent_token` printed.",
        ),
        (
            {"node": ""},
            "agent.toml: node = '': use a text of 1 to 64 printable characters.",
        ),
        (
            {"windw_seconds": 5},
            "agent.toml: windw_seconds is not a known key; use one of: server, token, token_file, "
            "node, window_seconds, sample_seconds, reconnect_spread_seconds, spool, sources, "
            "files, models.",
        ),
        (
            {"window_seconds": 0},
            "agent.toml: window_seconds = 0: use a whole number from 1 to 3600.",
        ),
        (
            {"window_seconds": True},
            "agent.toml: window_seconds = True: use a whole number from 1 to 3600.",
        ),
        (
            {"sample_seconds": "fast"},
            "agent.toml: sample_seconds = 'fast': use a number from 0.05 to 3600.",
        ),
        (
            {"sample_seconds": float("nan")},
            "agent.toml: sample_seconds = nan: use a number from 0.05 to 3600.",
        ),
        (
            {"sample_seconds": 90},
            "agent.toml: sample_seconds = 90: use at most window_seconds (60).",
        ),
        ({"spool": 3}, "agent.toml: spool = 3: use a table, [spool]."),
        (
            {"spool": {"max_mb": 0}},
            "agent.toml: spool.max_mb = 0: use a whole number from 1 to 1000000.",
        ),
        (
            {"spool": {"size": 1}},
            "agent.toml: spool.size is not a known key; use one of: path, max_mb, max_days.",
        ),
        ({"sources": {"gpu": "no"}}, "agent.toml: sources.gpu = 'no': use true or false."),
        (
            {"sources": {"gpus": False}},
            "agent.toml: sources.gpus is not a known key; use one of: host, hwmon, pressure, gpu.",
        ),
        ({"files": {}}, "agent.toml: files = {}: use tables, [[files]]."),
        (
            {"files": [{"name": "a"}]},
            "agent.toml: files[1].path is missing: use a text of 1 to 4096 printable characters.",
        ),
        (
            {"files": [{"name": "a", "path": "b"}] * 2},
            "files: the name 'a' stands there twice; give each its own.",
        ),
        (
            {"models": [{"name": "a", "kind": "triton", "url": "http://x"}]},
            "agent.toml: models[1].kind = 'triton': use one of: openai, ollama, oip, file.",
        ),
        (
            {"models": [{"name": "a", "kind": "oip", "url": "x"}]},
            "agent.toml: models[1].url = 'x': use an address that starts with http:// or https://.",
        ),
        (
            {"models": [{"name": "a", "kind": "oip", "url": "http://x", "canary": True}]},
            'agent.toml: models[1].canary = True: use it with kind "openai" or "ollama" only.',
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(
    tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    data = {key: value for key, value in {**MINIMAL, **change}.items() if value is not None}
    with pytest.raises(ConfigError) as caught:
        parse_config(data, folder=tmp_path)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("content", [b"server = ", b"\xff"])
def test_a_file_that_is_not_toml_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "agent.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=r"agent\.toml is not TOML: "):
        load_config(tmp_path / "agent.toml")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"agent\.toml cannot be read"):
        load_config(tmp_path / "agent.toml")


@pytest.mark.parametrize(
    ("server", "is_exposed"),
    [
        ("ws://hub.example/ws/ingest/", True),
        ("wss://hub.example/ws/ingest/", False),
        ("ws://127.0.0.1:8000/ws/ingest/", False),
        ("ws://[::1]:8000/ws/ingest/", False),
    ],
)
def test_a_token_that_would_travel_in_the_clear_is_noticed(
    tmp_path: Path, server: str, is_exposed: bool
) -> None:
    config = parse_config({**MINIMAL, "server": server}, folder=tmp_path)
    assert config.is_token_exposed == is_exposed
