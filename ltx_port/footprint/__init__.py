"""What generation takes of a device's memory, computed without weights: modules on the meta device have sizes alone."""
