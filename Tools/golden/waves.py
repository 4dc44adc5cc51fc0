"""Parameters and gradients of the generators for update rules: waves, which tests make again."""
import torch

STEPS = 20
SHAPES = {"tall": (12, 5), "wide": (5, 12), "square": (8, 8)}


def indices(shape):
    return torch.arange(shape[0] * shape[1], dtype=torch.float64)


def start(shape):
    return (0.5 * torch.sin(0.9 * indices(shape) + 0.2)).float().reshape(shape)


def gradient(step, shape):
    i = indices(shape)
    return torch.sin(1.7 * i + 0.6 * step + 0.05 * i * step).float().reshape(shape)
