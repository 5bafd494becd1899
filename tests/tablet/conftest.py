"""Osaka-3, where somebody with a tablet may follow runbooks and is logged in."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from fleet.models import Site
from tests.factories import make_site, make_user


@pytest.fixture
def site() -> Site:
    return make_site(name="Osaka-3", slug="osaka-3")


@pytest.fixture
def hands(client: Client, site: Site) -> Any:
    user = make_user("remote_hands", site)
    client.force_login(user)
    return user
