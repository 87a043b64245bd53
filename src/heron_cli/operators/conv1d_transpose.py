"""One-dimensional transposed convolution: (batch, width, channels)."""

from heron_cli.operators.transposed import Transposed

operator = Transposed("conv1d_transpose", ("width",))
