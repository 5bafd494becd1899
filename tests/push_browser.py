"""A browser that subscribed to pushed pages: its keys, what it reads, how it signs."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.test import Client
from pytest_django import Settings

AUTH = b"sixteen bytes ok"


def text_of(key: bytes) -> str:
    return base64.urlsafe_b64encode(key).rstrip(b"=").decode()


def set_up_web_push(settings: Settings) -> None:
    """Give the server the key that push services know it by."""
    settings.HEARTHWATCH_VAPID_PRIVATE_KEY = text_of((54_321).to_bytes(32))
    settings.HEARTHWATCH_VAPID_SUBJECT = "mailto:ops@hearthwatch.example"


class PushBrowser:
    """What a browser keeps of its subscription at a push service."""

    def __init__(self, service: str = "https://push.example", number: int = 12_345) -> None:
        self.key = ec.derive_private_key(number, ec.SECP256R1())
        point = self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.endpoint = f"{service}/{number}"
        self.keys = {"p256dh": text_of(point), "auth": text_of(AUTH)}

    @property
    def secret(self) -> str:
        """The keys as a contact keeps them."""
        return json.dumps(self.keys)

    @property
    def subscription(self) -> dict[str, Any]:
        """What the browser says of it to the page that subscribed it."""
        return {"endpoint": self.endpoint, "expirationTime": None, "keys": self.keys}

    def read(self, body: bytes) -> Any:
        """Return what a push says to this browser alone."""
        return json.loads(http_ece.decrypt(body, private_key=self.key, auth_secret=AUTH))

    def show(self, body: bytes, settings: Settings) -> Any:
        """Show what was pushed, and say so as the service worker does; return the answer."""
        path = self.read(body)["shown_url"].removeprefix(settings.HEARTHWATCH_BASE_URL)
        return Client(enforce_csrf_checks=True).post(path)

    def sign(self, body: bytes) -> str:
        """Return the proof that a renewal comes from this browser."""
        return text_of(hmac.new(AUTH, body, hashlib.sha256).digest())
