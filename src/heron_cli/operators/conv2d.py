"""Two-dimensional convolution: (batch, height, width, channels)."""

from heron_cli.operators.convolution import Convolution

operator = Convolution("conv2d", ("height", "width"))
