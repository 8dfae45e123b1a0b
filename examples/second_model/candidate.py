"""The port: the same model written anew, with fused projections, its own attention and norm, and other names."""

from collections.abc import Mapping
from types import SimpleNamespace

import torch
from torch import Tensor, nn

EPS = 1e-5
# Reference's name -> the port's, for a layer's tensors that are taken as they are.
_PLAIN = {"norm_attention": "ln1", "norm_mlp": "ln2", "attention.output": "mix", "mlp.0": "up", "mlp.2": "down"}


class Norm(nn.Module):
    def __init__(self, gain: Tensor, bias: Tensor):
        super().__init__()
        self.gain, self.bias = nn.Parameter(gain), nn.Parameter(bias)

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        centred = wide - wide.mean(-1, keepdim=True)
        scaled = centred * torch.rsqrt(centred.square().mean(-1, keepdim=True) + EPS)
        return (scaled * self.gain.float() + self.bias.float()).to(x.dtype)


class Affine(nn.Module):
    """Weights lie [in, out], as old libraries have them."""

    def __init__(self, weight: Tensor, bias: Tensor):
        super().__init__()
        self.w, self.b = nn.Parameter(weight.T.contiguous()), nn.Parameter(bias)

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.w + self.b


class Thirds(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return x.chunk(3, dim=-1)


class Gelu(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        return (wide * torch.sigmoid(1.5957691216057308 * (wide + 0.044715 * wide**3))).to(x.dtype)


class Heads(nn.Module):
    def __init__(self, count: int):
        super().__init__()
        self.count, self.scale = count, 1.0

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = (t.unflatten(-1, (self.count, -1)) for t in (q, k, v))
        logits = torch.einsum("bihd,bjhd->bhij", q, k).float() * (self.scale / q.shape[-1] ** 0.5)
        later = torch.ones(logits.shape[-2:], dtype=torch.bool).triu(1)
        weight = logits.masked_fill(later, -torch.inf).softmax(-1).to(v.dtype)
        return torch.einsum("bhij,bjhd->bihd", weight, v).flatten(2)


class Block(nn.Module):
    def __init__(self, part: SimpleNamespace, heads: int):
        super().__init__()
        self.ln1, self.ln2 = Norm(*part.ln1), Norm(*part.ln2)
        self.qkv, self.thirds, self.heads, self.mix = Affine(*part.qkv), Thirds(), Heads(heads), Affine(*part.mix)
        self.up, self.down = Affine(*part.up), Affine(*part.down)
        self.gelu: nn.Module = Gelu()

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.mix(self.heads(*self.thirds(self.qkv(self.ln1(x)))))
        return x + self.down(self.gelu(self.up(self.ln2(x))))


class Port(nn.Module):
    def __init__(self, given: Mapping[str, Tensor], heads: int = 4):
        super().__init__()
        self.wte, self.wpe = nn.Parameter(given["tokens.weight"]), nn.Parameter(given["places.weight"])
        count = len({name.split(".")[1] for name in given if name.startswith("layers.")})
        self.h = nn.ModuleList(Block(_part(given, f"layers.{i}."), heads) for i in range(count))
        self.ln_f = Norm(given["norm.weight"], given["norm.bias"])
        self.lm_head = Affine(given["head.weight"], torch.zeros(len(given["head.weight"])))

    def forward(self, ids: Tensor) -> Tensor:
        x = self.wte[ids] + self.wpe[: ids.shape[1]]
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x))


def _part(given: Mapping[str, Tensor], prefix: str) -> SimpleNamespace:
    def both(name: str) -> tuple[Tensor, Tensor]:
        return given[f"{prefix}{name}.weight"], given[f"{prefix}{name}.bias"]

    three = [both(f"attention.{name}") for name in ("query", "key", "value")]
    fused = tuple(torch.cat(tensors) for tensors in zip(*three, strict=True))
    return SimpleNamespace(qkv=fused, **{own: both(name) for name, own in _PLAIN.items()})


def call(model: nn.Module, inputs: Mapping[str, Tensor]) -> None:
    model(inputs["tokens"])
