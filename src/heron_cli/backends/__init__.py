"""Back ends: intrinsics and code generation that no YAML can express, one package per machine family."""
