"""Three-dimensional convolution: (batch, depth, height, width, channels)."""

from heron_cli.operators.convolution import Convolution

operator = Convolution("conv3d", ("depth", "height", "width"))
