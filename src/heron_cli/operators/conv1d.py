"""One-dimensional convolution: (batch, width, channels), kernels along the width."""

from heron_cli.operators.convolution import Convolution

operator = Convolution("conv1d", ("width",))
