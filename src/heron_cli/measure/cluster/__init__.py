"""Measuring on a Ray cluster: Ray places builds and measurements, and repeats what a lost node took."""
