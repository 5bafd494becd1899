"""The tablet's program: which files it is made of, which version they are, and its worker's text.

The pages hold nothing about a run or a person, so one copy of them serves every run offline; what
they show comes from the tablet's own storage. The version is a hash over all the files: a tablet
keeps to the one it began with until it is opened anew.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles import finders
from django.templatetags.static import static
from django.urls import reverse

#: Where the modules import each other by their plain names; only what a page names is hashed.
_MODULES = "js/run"
_ENTRIES = ("js/run/app.js", "js/run/home.js")
_WORKER = "js/worker.js"
#: Handles pushes in the worker; loaded where it exists.
_PUSH = "js/sw-push.js"
_NAMED = (
    "css/tokens.css",
    "css/base.css",
    "css/tablet.css",
    "js/theme.js",
    "icons.svg",
    "favicon.svg",
    "icons/tablet-192.png",
    "icons/tablet-512.png",
    *_ENTRIES,
)
_IMPORT = re.compile(r'^(?:import|export) [^;]*?from "\./([a-z_]+\.js)";', re.MULTILINE)
_PAGES = (
    "tablet/base.html",
    "tablet/_sync.html",
    "tablet/home.html",
    "tablet/run.html",
)


@dataclass(frozen=True)
class Shell:
    """The files of the tablet as they are on this server's disk."""

    @cached_property
    def modules(self) -> list[str]:
        """The addresses of the modules that others import."""
        folder = Path(_source(_ENTRIES[0])).parent
        names = sorted(f"{_MODULES}/{path.name}" for path in folder.glob("*.js"))
        return [settings.STATIC_URL + name for name in names if name not in _ENTRIES]

    def first_modules(self, entry: str) -> list[str]:
        """The addresses of the modules that a page's script needs before it can begin."""
        found: list[str] = []
        waiting = [entry]
        while waiting:
            text = Path(_source(waiting.pop())).read_text(encoding="utf-8")
            new = {f"{_MODULES}/{name}" for name in _IMPORT.findall(text)} - set(found)
            found += sorted(new)
            waiting += sorted(new)
        return [settings.STATIC_URL + name for name in found]

    @cached_property
    def files(self) -> list[str]:
        """The addresses of everything that a tablet keeps of the program."""
        pages = [reverse("tablet:home"), reverse("tablet:run-shell"), reverse("tablet:manifest")]
        return [*pages, *(static(name) for name in _NAMED), *self.modules]

    @cached_property
    def version(self) -> str:
        """A hash over the content of all files, pages and the worker."""
        names = [
            *_NAMED,
            _WORKER,
            *(name.removeprefix(settings.STATIC_URL) for name in self.modules),
        ]
        paths = [Path(_source(name)) for name in names]
        if finders.find(_PUSH):
            paths.append(Path(_source(_PUSH)))
        paths += [Path(settings.BASE_DIR) / "templates" / name for name in _PAGES]
        digest = hashlib.sha256(settings.STATIC_URL.encode())
        for path in paths:
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()[:16]

    def worker(self, *, is_module: bool) -> str:
        """Return the text of the service worker, as a module or as a plain script."""
        facts = json.dumps(
            {
                "version": self.version,
                "files": self.files,
                "home": reverse("tablet:home"),
                "run": reverse("tablet:run-shell"),
            }
        )
        push = static(_PUSH) if finders.find(_PUSH) else ""
        if is_module:
            modules = f"{settings.STATIC_URL}{_MODULES}"
            lines = [f'import {{ sendAll }} from "{modules}/sync.js";']
            lines += [f'import {{ tellBegun }} from "{modules}/begun.js";']
            lines += [f'import "{push}";'] if push else []
        else:
            lines = ["const sendAll = null;", "const tellBegun = null;"]
            lines += [f'importScripts("{push}");'] if push else []
        body = Path(_source(_WORKER)).read_text(encoding="utf-8")
        return "\n".join([*lines, f"const SHELL = {facts};", body])


def _source(name: str) -> str:
    found = finders.find(name)
    if not isinstance(found, str):
        raise FileNotFoundError(f"The tablet's file {name} is not among the static files.")
    return found


SHELL = Shell()
