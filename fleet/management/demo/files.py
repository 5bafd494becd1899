"""The demo's own files under HEARTHWATCH_HOME/demo: tokens, the real agent's set-up, its model."""

from __future__ import annotations

import json
from pathlib import Path

EDGE_CONF = """# Standard configuration of an edge node; the agent reports its digest.
[inference]
max_batch = 8
power_cap_watts = 250

[remote_access]
password_login = false
"""
#: What somebody "just tried" on the machine; the incident swaps it in and out.
EDGE_CONF_CHANGED = EDGE_CONF.replace("password_login = false", "password_login = true")

MODEL = {
    "name": "door-access",
    "version": "4.1.0",
    "digest": "sha256:d00d4b6677b24d1f8e6b0a3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f73",
}


class DemoFiles:
    """Paths and contents; everything in it can be made anew."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "demo"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.edge_conf = self.folder / "edge.conf"
        self.model_store = self.folder / "model.json"
        self.tokens = self.folder / "tokens.json"
        self.pager_secrets = self.folder / "pager-secrets.json"
        self.received_pages = self.folder / "pages.jsonl"
        self.agent_toml = self.folder / "agent.toml"

    def read_tokens(self) -> dict[str, str]:
        """Return the agent token of each site by its slug."""
        return _read_json(self.tokens)

    def write_tokens(self, tokens: dict[str, str]) -> None:
        """Keep the tokens where only this user reads them."""
        _write_private(self.tokens, json.dumps(tokens, indent=1))

    def read_pager_secrets(self) -> dict[str, str]:
        """Return the signing secret of each pager by its owner's key."""
        return _read_json(self.pager_secrets)

    def write_pager_secrets(self, by_key: dict[str, str]) -> None:
        """Keep the pagers' secrets where only this user reads them."""
        _write_private(self.pager_secrets, json.dumps(by_key, indent=1))

    def write_agent(self, *, url: str, token: str, node: str) -> None:
        """Write the real agent's configuration and what it watches."""
        self.edge_conf.write_text(EDGE_CONF)
        self.model_store.write_text(json.dumps(MODEL))
        text = f"""server = {json.dumps(url)}
token = {json.dumps(token)}
node = {json.dumps(node)}
window_seconds = 10
sample_seconds = 2
reconnect_spread_seconds = 2

[spool]
path = {json.dumps(str(self.folder / "agent-spool.sqlite3"))}

[[files]]
name = "edge.conf"
path = {json.dumps(str(self.edge_conf))}

[[models]]
name = "door-access"
kind = "file"
url = {json.dumps(str(self.model_store))}
"""
        _write_private(self.agent_toml, text)


def _read_json(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    content: dict[str, str] = json.loads(path.read_text())
    return content


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text)
