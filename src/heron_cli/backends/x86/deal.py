"""How the work of a kernel is dealt out to threads. Loops say nothing of it when they are launched, so the
runtime is told before in how many tasks it is worth to divide the next one.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from heron_cli.backends import tir
from heron_cli.backends.x86 import forms
from heron_cli.schedule.nest import Nest

_EXPECT, _HOOK = "heron_expect", "__HeronExpectTasks"  # the latter: runtime/hooks.c
_LEAST = 1 << 20  # multiply-accumulates of a task: microseconds, where to take one costs a tenth of one
_MOST = 32  # tasks of a thread


def tasks(nest: Nest, iterations: int) -> int:
    """In how many tasks of equally many iterations to divide the work of a nest: not worth more than one for
    each thread, or as small as may be without making threads that are equally fast wait for one.
    """
    threads, macs = nest.threads, prod(axis.extent for axis in nest.einsum.axes)
    longest = -(-iterations // threads)  # iterations of the thread that has most
    for each in range(1, longest):
        count = -(-iterations // each)
        worth = macs * each >= _LEAST * iterations and count <= _MOST * threads
        if worth and -(-count // threads) * each == longest:
            return count
    return threads


def loop(name: str, iterations: int, body: Callable[[Any], Any], nest: Nest) -> Any:
    """A loop over the nest's whole work on the nest's threads."""
    if nest.threads == 1:
        return tir.loop(name, iterations, body)
    shared = tir.loop(name, iterations, body, parallel=True)
    count = tasks(nest, iterations)
    if count == nest.threads:
        return shared
    told = forms.evaluate(_EXPECT, tir.number(count))
    return forms.with_llvm(_definition(), tir.sequence([told, shared]))


def _definition() -> str:
    """Where nothing has set the hook, nobody is told."""
    return f"""
        @{_HOOK} = weak global ptr null
        define available_externally void @{_EXPECT}(i32 %count) alwaysinline {{
          %hook = load ptr, ptr @{_HOOK}
          %known = icmp ne ptr %hook, null
          br i1 %known, label %tell, label %end
        tell:
          call void %hook(i32 %count)
          br label %end
        end:
          ret void
        }}
    """
