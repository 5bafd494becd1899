"""The library of runbooks: what they are, how they are read, and the ones that are built in."""
