"""What workers were asked for and have not begun, marked in Redis: nothing is asked for twice.

Findings come one after another, and a worker that begins a job does all that is due. Messages that
pile up behind it would find nothing left to do, and hold up those that would.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import redis
from celery import Task
from django.conf import settings

#: A mark whose message was lost, or whose worker ended, goes by itself after so long.
_LONGEST_MS: Final = 1000
_PATIENCE_SECONDS: Final = 1.0


def mark_asked(job: str) -> bool:
    """Mark a job as asked for; False when it was already, and nobody has begun it since.

    Raises redis.RedisError where there is no Redis.
    """
    marks = _marks(settings.REDIS_URL)
    return bool(marks.set(_key(job), 1, nx=True, px=_LONGEST_MS))


class AskedOnce(Task):
    """A job that may be asked for again as soon as it has begun."""

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        """Take the mark away, before anything is read: what comes now may come too late."""
        try:
            _marks(settings.REDIS_URL).delete(_key(self.name))
        except redis.RedisError:
            # It goes by itself, and the job has more to do than that.
            return


def _key(job: str) -> str:
    return f"hearthwatch:asked:{job}"


@cache
def _marks(url: str) -> redis.Redis:
    return redis.Redis.from_url(
        url, socket_connect_timeout=_PATIENCE_SECONDS, socket_timeout=_PATIENCE_SECONDS
    )
