"""LoRAs: low-rank changes of the transformer's matrices, fused into the weights as these are loaded."""

from ltx_port.lora.file import LoraFile
from ltx_port.lora.fusion import Lora, LoraFusion

__all__ = ["Lora", "LoraFile", "LoraFusion"]
