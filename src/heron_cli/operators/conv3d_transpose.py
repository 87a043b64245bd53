"""Three-dimensional transposed convolution: (batch, depth, height, width, channels)."""

from heron_cli.operators.transposed import Transposed

operator = Transposed("conv3d_transpose", ("depth", "height", "width"))
