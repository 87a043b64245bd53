"""A module that takes longer to import than a user is willing to wait for."""

import time

time.sleep(600)
