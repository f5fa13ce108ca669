"""Descriptors, functional groups and fingerprints: what objectives predict and feature sets hold, computed by RDKit."""

__all__: list[str] = []
