"""A PyTorch port of Lightricks' LTX-2.3, block by block; it does not know that it is watched."""
