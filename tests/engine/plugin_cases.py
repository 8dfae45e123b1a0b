"""What inner sessions of the plugin's tests begin with: two modules that compute the same."""

PRELUDE = """
import pytest
import torch
from torch import nn

class Ours(nn.Module):
    def __init__(self, fault=0.0):
        super().__init__()
        self.up, self.down, self.fault = nn.Linear(3, 5), nn.Linear(5, 3), fault
    def forward(self, x, scale=1.0):
        return self.down(torch.relu(self.up(x) + self.fault)) * scale

class Theirs(nn.Module):
    def __init__(self, ours):
        super().__init__()
        self.body = nn.Sequential(ours.up, nn.ReLU(), ours.down)
    def forward(self, hidden, scale=1.0):
        return {"hidden": self.body(hidden) * scale}

X = torch.tensor([[1.0, -2.0, 0.5]])
TAPS = {
    "in": (">in.x", ">in.hidden"),
    "up": ("up>out", "body.0>out"),
    "act": ("down>in.input", "body.1>out"),
    "down": ("down>out", "body.2>out"),
    "out": (">out", ">out.hidden"),
}

def pair(fault=0.0):
    torch.manual_seed(0)
    ours = Ours(fault)
    return ours, Theirs(ours)
"""
