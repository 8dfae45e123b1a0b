"""Layers whose weights stay in host memory and come to the device one after the other, while it computes."""

from ltx_port.offload.streaming import LayerStream, stream_layers

__all__ = ["LayerStream", "stream_layers"]
