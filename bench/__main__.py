"""`make bench`: services of its own, durable as in production, then the measurements."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from fleet.embedded import EmbeddedServices

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Start PostgreSQL and Redis in a fresh folder, measure, remove the folder."""
    with tempfile.TemporaryDirectory(prefix="hearthwatch-bench-") as folder:
        Path(folder).chmod(0o755)
        services = EmbeddedServices(Path(folder))
        env = {
            **os.environ,
            "DATABASE_URL": services.database_url,
            "REDIS_URL": services.redis_url,
            "DJANGO_SETTINGS_MODULE": "fleet.settings",
            "HEARTHWATCH_SECRET_KEY": "only-for-benchmarks-" + "x" * 40,
            "HEARTHWATCH_STATIC_FROM_SOURCE": "true",
            "HEARTHWATCH_PAGE_HOSTS": "127.0.0.0/8",
            "BENCH_FOLDER": folder,
        }
        try:
            with services.running():
                migrate = [sys.executable, "manage.py", "migrate", "-v0"]
                subprocess.run(migrate, env=env, cwd=ROOT, check=True)
                return subprocess.call([sys.executable, "-m", "bench.measure"], env=env, cwd=ROOT)
        finally:
            services.discard()


if __name__ == "__main__":
    sys.exit(main())
