"""What a written file holds, read back for both implementations alike."""

import hashlib
from pathlib import Path

import av
import torch
from torch import Tensor


def read_packets(path: Path, kind: str) -> Tensor:
    """Describe the packets of the file's only stream of a kind, "video" or "audio", as int64 (packets + 1, 5).

    A row says how many bytes a packet has, when it is shown and decoded, how long it lasts, and 63 bits of the SHA-256
    of its bytes, so that streams of other lengths can be compared row by row. Times are in the stream's own unit, a
    fraction whose two numbers begin the last row; that row ends with the digest of what the decoder is told first
    (H.264's parameter sets, with the colours).
    """
    with av.open(str(path), "r") as container:
        (stream,) = (stream for stream in container.streams if stream.type == kind)
        # The last one is empty: it ends the stream.
        found = [packet for packet in container.demux(stream) if packet.size]
        rows = [[packet.size, packet.pts, packet.dts, packet.duration, _digest(bytes(packet))] for packet in found]
        unit, first = stream.time_base, stream.codec_context.extradata
        assert unit is not None, "a stream of a file has a time base"
        assert first, "H.264 and AAC in an MP4 have their parameters in front"
    return torch.tensor([*rows, [unit.numerator, unit.denominator, 0, 0, _digest(first)]], dtype=torch.int64)


def _digest(content: bytes) -> int:
    return int.from_bytes(hashlib.sha256(content).digest()[:8], "big") >> 1
