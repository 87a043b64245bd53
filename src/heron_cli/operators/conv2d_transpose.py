"""Two-dimensional transposed convolution: (batch, height, width, channels)."""

from heron_cli.operators.transposed import Transposed

operator = Transposed("conv2d_transpose", ("height", "width"))
