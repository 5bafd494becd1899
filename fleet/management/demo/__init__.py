"""The demo's world: who and what there is, how its rooms behave, and what goes wrong."""
