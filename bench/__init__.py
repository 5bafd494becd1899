"""Measures the product for real and writes `bench/RESULTS.md`."""
