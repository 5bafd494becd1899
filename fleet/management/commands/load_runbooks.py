"""`manage.py load_runbooks`: publish the built-in library, or the files that are named."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from runbooks.library.bundle import unpack
from runbooks.library.document import RunbookError
from runbooks.library.services import publish_builtin_library, publish_runbook
from runbooks.models import RunbookVersion


class Command(BaseCommand):
    """Publishes runbooks; run twice, it changes nothing."""

    help = "Publish the built-in runbooks, or the Markdown and zip files that are named."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the files to publish."""
        parser.add_argument("files", nargs="*", type=Path, metavar="FILE")

    def handle(self, *args: Any, files: list[Path], **options: Any) -> None:
        """Publish and say which editions are in use now."""
        now = timezone.now()
        if files:
            versions = [self._publish(path) for path in files]
        else:
            versions = publish_builtin_library(now=now)
        for version in versions:
            is_new = version.published_at >= now
            self.stdout.write(f"{'published' if is_new else 'unchanged'}  {version}")

    def _publish(self, path: Path) -> RunbookVersion:
        try:
            bundle = unpack(path.read_bytes())
            beside = (path.parent / "media").glob("*.*")
            found = {file.name: file.read_bytes() for file in beside if file.is_file()}
            return publish_runbook(
                source=bundle.source,
                by=None,
                now=timezone.now(),
                note=f"Loaded from {path.name}."[:200],
                media=found | dict(bundle.pictures),
            )
        except OSError as exc:
            raise CommandError(f"{path} cannot be read: {exc}.") from None
        except RunbookError as exc:
            raise CommandError(f"{path} was not published. {exc}") from None
