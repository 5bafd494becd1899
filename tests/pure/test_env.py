"""Settings fail at start with a sentence that says what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.env import (
    SettingError,
    broker_from_url,
    database_from_url,
    env_bool,
    env_choice,
    env_float,
    env_int,
    env_list,
    env_text,
)


def test_a_missing_variable_gives_the_default() -> None:
    assert env_text("HEARTHWATCH_NOT_SET", "fallback") == "fallback"


def test_a_secret_may_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hidden\n")
    monkeypatch.setenv("HEARTHWATCH_X_FILE", str(tmp_path / "secret"))
    assert env_text("HEARTHWATCH_X") == "hidden"


def test_a_secret_given_twice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEARTHWATCH_X_FILE", "/dev/null")
    monkeypatch.setenv("HEARTHWATCH_X", "1")
    with pytest.raises(SettingError, match="both set: keep one"):
        env_text("HEARTHWATCH_X")


def test_a_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEARTHWATCH_X_FILE", "/nowhere/at/all")
    with pytest.raises(SettingError, match="'/nowhere/at/all' cannot be read"):
        env_text("HEARTHWATCH_X")


@pytest.mark.parametrize(("text", "value"), [("true", True), ("false", False)])
def test_a_switch_is_true_or_false(monkeypatch: pytest.MonkeyPatch, text: str, value: bool) -> None:
    monkeypatch.setenv("HEARTHWATCH_X", text)
    assert env_bool("HEARTHWATCH_X", default=not value) is value


def test_any_other_switch_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEARTHWATCH_X", "yes")
    with pytest.raises(SettingError, match="HEARTHWATCH_X='yes': use 'true' or 'false'"):
        env_bool("HEARTHWATCH_X", default=True)


def test_a_word_that_is_no_choice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEARTHWATCH_X", "TLS")
    with pytest.raises(SettingError, match="HEARTHWATCH_X='TLS': use 'starttls' or 'tls'"):
        env_choice("HEARTHWATCH_X", "starttls", choices=("starttls", "tls"))


@pytest.mark.parametrize(
    ("text", "sentence"), [("x", "use a whole number"), ("0", "use a number from 1 to 9")]
)
def test_a_number_out_of_its_range_is_refused(
    monkeypatch: pytest.MonkeyPatch, text: str, sentence: str
) -> None:
    monkeypatch.setenv("HEARTHWATCH_X", text)
    with pytest.raises(SettingError, match=sentence):
        env_int("HEARTHWATCH_X", default=5, least=1, most=9)


def test_a_fraction_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEARTHWATCH_X", "0.25")
    assert env_float("HEARTHWATCH_X", default=1, least=0, most=1) == 0.25


def test_not_a_number_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEARTHWATCH_X", "nan")
    with pytest.raises(SettingError, match="use a number from"):
        env_float("HEARTHWATCH_X", default=1, least=0, most=1)


def test_a_list_leaves_out_empty_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEARTHWATCH_X", " a, ,b,")
    assert env_list("HEARTHWATCH_X") == ["a", "b"]


def test_a_database_url_may_name_a_socket_folder() -> None:
    settings = database_from_url("postgresql://me@/fleet?host=/run/pg&sslmode=disable")
    assert settings["HOST"] == "/run/pg"
    assert settings["NAME"] == "fleet"
    assert settings["USER"] == "me"
    assert settings["OPTIONS"] == {"sslmode": "disable"}


def test_a_password_with_signs_survives() -> None:
    assert database_from_url("postgres://u:p%40ss@db:5433/x")["PASSWORD"] == "p@ss"


@pytest.mark.parametrize("url", ["mysql://x/y", "postgresql://host", "nonsense"])
def test_a_database_url_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(SettingError, match="DATABASE_URL cannot be used"):
        database_from_url(url)


def test_a_redis_socket_is_spelt_for_celery_and_for_channels() -> None:
    assert broker_from_url("unix:///run/r.sock") == (
        "redis+socket:///run/r.sock",
        "unix:///run/r.sock",
    )


def test_another_broker_is_refused() -> None:
    with pytest.raises(SettingError, match="REDIS_URL cannot be used"):
        broker_from_url("amqp://x")
