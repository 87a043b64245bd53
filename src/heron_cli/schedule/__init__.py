"""From an operator and an accelerator to a space: analysis, rewrites, schedule rules, constraint rules."""
