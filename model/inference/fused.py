"""The network on a CPU in one pass: a block of stays goes through all layers while it lies in the cache."""

from __future__ import annotations

import ctypes
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.diffusion.denoiser import DenoiserNetwork, FiLMGRULayer
from model.inference.native import NEEDS_MEMORY, Build, Network, load

GATES = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")


class Fused:
    """An engine of our own in C++: one thread per part of the stays, as many as torch has when it is built."""

    def __init__(self, network: DenoiserNetwork, build: Build) -> None:
        """Pack the weights; ImportError where there is no library for this processor."""
        self.name = f"fused-{build.name}"
        self._library = load(build)
        self._block = int(self._library.block_size())
        self._network = network
        self._layers = network.gru_layers
        self._packed, self._kept = _packed(network, self._layers, build)
        self._n_threads = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(self._n_threads)

    def __call__(self, scaled: Tensor, t: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """See `Engine`."""
        n_branches, n_stays = labels.shape[:2]
        shift, film = self._conditioned_on(t)
        out = scaled.new_empty(n_branches, n_stays, scaled.shape[1], self._packed.outputs)
        tensors = [scaled.contiguous(), labels.contiguous(), shift, film, out]
        self._evaluate(tensors, n_branches, n_stays, scaled.shape[1])
        n = self._network.n_numerical
        return out[..., :n], out[..., n:].reshape(*out.shape[:3], self._network.n_channels, -1)

    def _conditioned_on(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """What t sets: the bias of the input projection (2H,); scale and shift of each LayerNorm (layers, 2, 2H)."""
        time = self._network.time(t[None])
        film = []
        for layer in self._layers:
            gamma, beta = layer.film(functional.silu(time))[0].chunk(2)
            film += [(1 + gamma) * layer.norm.weight, (1 + gamma) * layer.norm.bias + beta]
        return (self._network.inputs.bias + self._network.time_inputs(time)[0]), torch.stack(film)

    def _evaluate(self, tensors: list[Tensor], n_branches: int, n_stays: int, length: int) -> None:
        n_blocks = -(-n_stays // self._block)
        n_parts = min(self._n_threads, n_blocks)
        ends = [n_blocks * part // n_parts for part in range(n_parts + 1)]

        def part(first: int, last: int) -> int:
            sizes = (n_branches, n_stays, length, first, last)
            pointers = [
                tensor.data_ptr() for tensor in tensors
            ]  # here: an interrupted call leaves parts at work on them
            return int(self._library.evaluate(ctypes.byref(self._packed), *pointers, *sizes))

        results = list(self._pool.map(part, ends, ends[1:])) if n_parts > 1 else [part(0, n_blocks)]
        if NEEDS_MEMORY in results:
            raise MemoryError(f"{n_stays} stays at a time")
        if any(results):
            raise OSError("the system does not lend the processor's tile registers")


def _packed(network: DenoiserNetwork, layers: list[FiLMGRULayer], build: Build) -> tuple[Network, list[Tensor]]:
    """The network as fused.cpp wants it, and the tensors that it points to."""
    hidden, width = layers[0].gru.hidden_size, network.outputs.in_features
    of_input, of_state, input_bias, state_bias = (_of_directions(layers, name) for name in GATES)
    n_labels = network.inputs.in_features - network.n_state
    reset_update = (input_bias + state_bias)[:, : 2 * hidden]
    w_outputs, b_outputs = network.read_out()
    tensors = [
        build.pack(network.inputs.weight[:, : network.n_state]),
        network.inputs.weight[:, network.n_state :].T.contiguous(),
        torch.stack([build.pack(weights) for weights in of_input]),
        torch.stack([build.pack(weights) for weights in of_state]),
        torch.cat([reset_update, input_bias[:, 2 * hidden :], state_bias[:, 2 * hidden :]], dim=1),
        build.pack(w_outputs),
        b_outputs,
    ]
    assert width == 2 * hidden
    pointers = [tensor.data_ptr() for tensor in tensors]
    sizes = (hidden, len(layers), network.n_state, n_labels, network.outputs.out_features)
    return Network(*sizes, *pointers), tensors


def _of_directions(layers: list[FiLMGRULayer], name: str) -> Tensor:
    """(2 layers, ...) a parameter of every GRU, there and back."""
    parameters = [_gru_parameter(layer.gru, name + direction) for layer in layers for direction in ("", "_reverse")]
    return torch.stack(parameters)


def _gru_parameter(gru: nn.GRU, name: str) -> Tensor:
    return gru.get_parameter(name).detach()
