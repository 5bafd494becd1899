"""Typed values from environment variables; a bad value stops the start with a sentence."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit


class SettingError(Exception):
    """A setting has a value that cannot be used; the text says what to write instead."""


def env_text(name: str, default: str = "") -> str:
    """Return the variable's text, or the content of the file that `<name>_FILE` names."""
    path = os.environ.get(f"{name}_FILE")
    if path is None:
        return os.environ.get(name, default)
    if name in os.environ:
        raise SettingError(f"{name} and {name}_FILE are both set: keep one of them.")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as exc:
        raise SettingError(f"{name}_FILE={path!r} cannot be read: {exc.strerror}.") from None


def env_bool(name: str, *, default: bool) -> bool:
    """Return True for `true`, False for `false`."""
    text = env_text(name, "true" if default else "false")
    if text not in ("true", "false"):
        raise SettingError(f"{name}={text!r}: use 'true' or 'false'.")
    return text == "true"


def env_choice(name: str, default: str, *, choices: Sequence[str]) -> str:
    """Return one of `choices`."""
    text = env_text(name, default)
    if text not in choices:
        known = " or ".join(f"'{choice}'" for choice in choices)
        raise SettingError(f"{name}={text!r}: use {known}.")
    return text


def env_int(name: str, *, default: int, least: int, most: int) -> int:
    """Return a whole number between `least` and `most`."""
    text = env_text(name, str(default))
    try:
        value = int(text)
    except ValueError:
        raise SettingError(f"{name}={text!r}: use a whole number.") from None
    if not least <= value <= most:
        raise SettingError(f"{name}={value}: use a number from {least} to {most}.")
    return value


def env_float(name: str, *, default: float, least: float, most: float) -> float:
    """Return a number between `least` and `most`."""
    text = env_text(name, str(default))
    try:
        value = float(text)
    except ValueError:
        raise SettingError(f"{name}={text!r}: use a number.") from None
    if not least <= value <= most:
        raise SettingError(f"{name}={value}: use a number from {least} to {most}.")
    return value


def env_list(name: str, default: str = "") -> list[str]:
    """Return the comma-separated words, without empty ones."""
    return [word.strip() for word in env_text(name, default).split(",") if word.strip()]


def database_from_url(url: str) -> dict[str, object]:
    """Return Django's settings for a `postgresql://` URL.

    `postgresql:///name?host=/folder` names a unix socket's folder.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("postgres", "postgresql") or len(parts.path) < 2:
        raise SettingError(
            "DATABASE_URL cannot be used: write postgresql://user:password@host:5432/name."
        )
    query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path[1:]),
        "USER": unquote(parts.username or query.pop("user", "")),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.pop("host", parts.hostname or ""),
        "PORT": str(parts.port or query.pop("port", "")),
        "OPTIONS": query,
    }


def broker_from_url(url: str) -> tuple[str, str]:
    """Return `(Celery's, Channels' and redis-py's)` spelling of a Redis URL."""
    scheme = urlsplit(url).scheme
    if scheme in ("redis", "rediss"):
        return url, url
    if scheme == "unix":
        return "redis+socket" + url.removeprefix("unix"), url
    raise SettingError("REDIS_URL cannot be used: write redis://host:6379/0 or unix:///socket.")
