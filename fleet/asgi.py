"""Every connection by its kind: HTTP to Django, sockets to agents and browsers."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "fleet.settings")

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.urls import path

# Sets Django up, which the modules below need before they can be imported.
django_application = get_asgi_application()

from fleet.noc.consumers import LiveConsumer  # noqa: E402
from fleet.noc.origin import OwnPagesOnly  # noqa: E402
from telemetry.ingest.process import lifespan  # noqa: E402
from telemetry.ingest.routing import websocket_urlpatterns  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": django_application,
        "websocket": URLRouter(
            [
                # Agents sign on with a token and send no Origin; browsers have a session and do.
                *websocket_urlpatterns,
                path(
                    "ws/live/",
                    OwnPagesOnly(
                        AuthMiddlewareStack(LiveConsumer.as_asgi()), settings.ALLOWED_HOSTS
                    ),
                ),
            ]
        ),
        "lifespan": lifespan,
    }
)
