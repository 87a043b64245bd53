"""VTA: instruction streams for a decoupled accelerator, its simulator and an event model of its time.

Everything here is a function of a `VtaConfig`, and that of the accelerator's YAML.
"""
