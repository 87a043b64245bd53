"""Measurements of heron against vendors' libraries. Nothing here is shipped in the wheel."""
