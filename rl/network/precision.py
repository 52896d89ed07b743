"""What a network is computed in where nobody says: bfloat16 where that is faster here, else float32.

The instructions alone do not tell. AMD's processors multiply bfloat16 twice as fast as float32; Intel's do so many
times over in their tile unit (AMX), but where a virtual machine hides that unit, what is left of them is slower in
bfloat16 than in float32.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable

import torch
from torch.nn import functional

from rl.network.timing import shortest_turns

_MARGIN = 1.25
"""bfloat16 has to be so many times as fast: below that float32, which is more exact, is as good. Nor does noise decide
between them, since no processor that was measured is near it: 0.6 times or 1.6 times and more."""
_TURNS = 5


@functools.cache
def native_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 on CUDA, and on CPUs that multiply it clearly faster than float32, which is measured once in a process;
    else float32."""
    if device.type != "cpu":
        return torch.bfloat16
    capabilities = torch.cpu.get_capabilities()
    if not (capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")):
        return torch.float32  # emulated bfloat16 is slower
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return faster_dtype(_convolve, time.thread_time)
    finally:
        torch.set_num_threads(num_threads)


def faster_dtype(work: Callable[[torch.dtype], object], clock: Callable[[], float]) -> torch.dtype:
    """bfloat16 if `work` is clearly sooner done in it by `clock`, which gives seconds, else float32."""
    turns = {dtype: functools.partial(work, dtype) for dtype in (torch.float32, torch.bfloat16)}
    seconds = shortest_turns(turns, clock, _TURNS, _TURNS)
    return torch.bfloat16 if _MARGIN * seconds[torch.bfloat16] < seconds[torch.float32] else torch.float32


def _convolve(dtype: torch.dtype) -> object:
    """What networks spend their time on: a convolution of 64 channels, here of 32 boards of 8x8 cells."""
    features = torch.ones(32, 64, 8, 8, dtype=dtype).contiguous(memory_format=torch.channels_last)
    weight = torch.ones(64, 64, 3, 3, dtype=dtype).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        return functional.conv2d(features, weight, padding=1)
