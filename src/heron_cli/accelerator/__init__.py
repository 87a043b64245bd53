"""One YAML file describes a whole accelerator: `loader.load` reads it into `model.Accelerator`."""
