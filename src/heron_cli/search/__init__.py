"""Search: methods that choose what to try, and the driver that has it measured and recorded."""
