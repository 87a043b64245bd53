"""The commands: a module each, called like the command, which is its `command`."""
