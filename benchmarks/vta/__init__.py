"""VTA: random samples, a hand schedule and the search methods on modelled cycles."""
