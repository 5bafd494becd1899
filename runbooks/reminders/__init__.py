"""Tells people of what waits for them and would be forgotten: runs, and reviews of runbooks."""
