"""From an operator and an accelerator to a space: einsum analysis, rewrites, schedule rules, constraint rules."""
