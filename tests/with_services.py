"""Run one Python command with the tests' environment: `python -m tests.with_services CMD...`.

The environment names the services of a run without starting them, which is all that checks need.
"""

from __future__ import annotations

import os
import subprocess
import sys

import tests.services

if __name__ == "__main__":
    needs_database = "makemigrations" in sys.argv
    if needs_database:
        tests.services.SERVICES.start()
    try:
        code = subprocess.call([sys.executable, *sys.argv[1:]], env=os.environ)
    finally:
        if needs_database:
            tests.services.SERVICES.stop()
            tests.services.SERVICES.discard()
    sys.exit(code)
