"""What measuring survives, and what that costs.

python -m benchmarks.reliability [SECTION…]   # all sections, or some; then writes results/reliability.md
"""
