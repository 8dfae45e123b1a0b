"""The official LTX-2 packages, driven as they are; the only place in the project that imports them."""
