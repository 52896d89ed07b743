"""How the methods of a `Game` become numba kernels. The only clever file; nobody adding a game reads it.

A game instance is passed to a kernel like any argument. Its numba type carries the instance itself, so that
`game.step(state, action, history)` inside a kernel finds the class's own Python method, compiles it for this very
type, and reads `self.width` as a constant. Two instances of one class with the same constants share a type.

Kernels are kept on disk (`games/kernel_cache.py`). A game from outside of this tree brings the digest of its own file
in its type's name, so that an edit of that file is noticed, too.

Under NUMBA_DISABLE_JIT=1 nothing here compiles and kernels run as plain Python on the same records.
"""

from __future__ import annotations

import hashlib
import inspect
import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.types.misc import unliteral
from numba.core.typing.templates import AttributeTemplate, infer_getattr
from numba.extending import (
    NativeValue,
    intrinsic,
    lower_getattr_generic,
    models,
    overload,
    overload_method,
    register_model,
    typeof_impl,
    unbox,
)
from numba.np.arrayobj import make_array

from games.base import Game
from games.kernel_cache import open_kernel_cache, share

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")
_Array = TypeVar("_Array", bound=np.ndarray[Any, Any])
_ROOT = Path(__file__).resolve().parent.parent
_LINE_BYTES = 64


_CACHE = open_kernel_cache()


def _mangling_of(record: Any) -> tuple[str, tuple[str, ...]]:
    """A record's part of the names of functions over it.

    numba writes a number there that each process counts anew. Functions over different records, compiled by different
    processes, then have one name, and whoever loads both from the cache gets the first one for either.
    """
    return "Record", (hashlib.sha256(record.name.encode()).hexdigest()[:16],)


types.Record.mangling_args = property(_mangling_of)  # type: ignore[method-assign, assignment]


def njit(function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """`numba.njit` as every kernel here wants it: cached on disk, without the GIL, NumPy's division, no fastmath."""
    return _compiled(function, forceinline=False)


def inlined(function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """As `njit`, for small functions on the hot path: LLVM is told to inline them into their callers."""
    return _compiled(function, forceinline=True)


def _compiled(function: Callable[_Parameters, _Result], forceinline: bool) -> Callable[_Parameters, _Result]:
    cached = _CACHE is not None
    compiled: Callable[_Parameters, _Result] = numba.njit(
        cache=cached, nogil=True, error_model="numpy", forceinline=forceinline
    )(function)
    if not numba.config.DISABLE_JIT:
        _forget_literals(compiled)
    if cached:
        share(compiled)
    return compiled


def _forget_literals(dispatcher: Any) -> None:
    """Have kernels that call this one with a number or a truth value written out ask for that of its type.

    numba takes each such constant for a type of its own, and compiles the function once more for it: 0 before a loop
    that counts, and again the integer that it becomes. Where a constant is worth anything LLVM sees it after inlining.
    """
    resolve = dispatcher.get_call_template

    def resolve_types(arguments: Any, named: Any) -> Any:
        return resolve(
            tuple(unliteral(argument) for argument in arguments),
            {name: unliteral(argument) for name, argument in named.items()},
        )

    dispatcher.get_call_template = resolve_types


def prefetch(array: np.ndarray[Any, Any], index: int) -> None:
    """Ask the processor for the record `array[index]` of a one-dimensional array, to be read a little later.

    Changes nothing but the waiting for memory. An index beyond the end is harmless.
    """


def prefetch_head(array: np.ndarray[Any, Any], index: int) -> None:
    """The same for the first 128 bytes of a record that is too long to be wanted whole."""


def _prefetching(most_bytes: int | None) -> Any:
    """The intrinsic that asks for the cache lines that hold a record, or its first bytes."""

    @intrinsic
    def prefetch_lines(context: Any, array: Any, index: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            array_type = signature.args[0]
            record = cgutils.get_item_pointer(
                context, builder, array_type, make_array(array_type)(context, builder, arguments[0]), [arguments[1]]
            )
            byte, word = ir.IntType(8), ir.IntType(32)
            first = builder.bitcast(record, byte.as_pointer())
            parameters = [byte.as_pointer(), word, word, word]
            fetch = builder.module.declare_intrinsic(
                "llvm.prefetch", parameters[:1], ir.FunctionType(ir.VoidType(), parameters)
            )
            size = context.get_abi_sizeof(context.get_data_type(array_type.dtype))
            size = size if most_bytes is None else min(size, most_bytes)
            for offset in {*range(0, size, _LINE_BYTES), size - 1}:
                line = builder.gep(first, [ir.Constant(word, offset)], source_etype=byte)
                builder.call(fetch, [line, ir.Constant(word, 0), ir.Constant(word, 3), ir.Constant(word, 1)])
            return context.get_dummy_value()

        return types.none(array, types.intp), generate

    return prefetch_lines


_prefetch_record, _prefetch_head = _prefetching(None), _prefetching(2 * _LINE_BYTES)


@overload(prefetch, inline="always")
def _prefetch_compiled(array: Any, index: Any) -> Any:
    def fetch(array: Any, index: Any) -> None:
        _prefetch_record(array, index)

    return fetch


@overload(prefetch_head, inline="always")
def _prefetch_head_compiled(array: Any, index: Any) -> Any:
    def fetch(array: Any, index: Any) -> None:
        _prefetch_head(array, index)

    return fetch


def nanoseconds() -> int:
    """`time.perf_counter_ns` for kernels: only differences mean something."""
    return time.perf_counter_ns()


@intrinsic
def _read_clock(context: Any) -> Any:
    """The C library's monotonic clock, read without a call to the system."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word, long = ir.IntType(32), ir.IntType(64)
        moment = cgutils.alloca_once(builder, ir.LiteralStructType([long, long]))  # seconds, nanoseconds
        read = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(word, [word, moment.type]), "clock_gettime"
        )
        builder.call(read, [ir.Constant(word, time.CLOCK_MONOTONIC), moment])
        seconds, rest = (builder.load(cgutils.gep_inbounds(builder, moment, 0, field)) for field in (0, 1))
        return builder.add(builder.mul(seconds, ir.Constant(long, 10**9)), rest)

    return types.int64(), generate


@overload(nanoseconds, inline="always")
def _nanoseconds_compiled() -> Any:
    def read() -> int:
        return _read_clock()  # type: ignore[no-any-return]

    return read


def uncounted(array: _Array) -> _Array:
    """The same array, whose views are not counted: for what a kernel's caller holds while the kernel runs.

    numba counts the references to an array's memory, atomically, wherever a view comes and goes (a tree of `trees`, a
    row of a batch). That was a sixth of a search's time.
    """
    return array


@intrinsic
def _without_owner(context: Any, array: Any) -> Any:
    """The array with no memory to count references to: numba then leaves all counting out."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = make_array(signature.args[0])(context, builder, arguments[0])
        view.meminfo = cgutils.get_null_value(view.meminfo.type)
        view.parent = cgutils.get_null_value(view.parent.type)
        return view._getvalue()

    return array(array), generate


@overload(uncounted, inline="always")
def _uncounted_compiled(array: Any) -> Any:
    def view(array: Any) -> Any:
        return _without_owner(array)

    return view


def _constants(game: Game) -> dict[str, Any]:
    """The attributes that compiled methods may read: numbers and tuples of numbers."""

    def is_constant(value: Any) -> bool:
        if isinstance(value, tuple):
            return len(value) > 0 and all(is_constant(part) for part in value)
        return isinstance(value, (bool, int, float))

    names = [name for name in dir(game) if not name.startswith("__")]
    return {name: value for name in names if is_constant(value := getattr(game, name))}


class GameType(types.Opaque):
    """The compiled type of one game with its options."""

    def __init__(self, game: Game) -> None:
        self.game = game
        self.constants = _constants(game)
        source = Path(inspect.getfile(type(game)))
        outside = "" if _ROOT / "games" in source.parents else hashlib.sha256(source.read_bytes()).hexdigest()[:16]
        fields = np.lib.format.dtype_to_descr(game.state_dtype)
        super().__init__(name=f"{type(game).__module__}.{type(game).__qualname__}({self.constants},{fields}){outside}")

    def __reduce__(self) -> Any:
        # numba's cache index compares unpickled types: they must be this class's.
        return _restore_type, (pickle.dumps(self.game), self.name)


_TYPES: dict[int, tuple[Game, GameType]] = {}
_TYPE_CLASSES: dict[type[Game], type[GameType]] = {}


@typeof_impl.register(Game)
def _typeof_game(game: Game, context: Any) -> GameType:
    """The type of a game passed to a kernel. Remembered by identity, for it is asked at every call."""
    known = _TYPES.get(id(game))
    if known is None:
        known = _TYPES[id(game)] = (game, _type_class(type(game))(game))
    return known[1]


def _restore_type(pickled: bytes, name: str) -> types.Type:
    """The type `name` of the cache's index; where its game is gone or has changed since, one that matches no game."""
    try:
        game = pickle.loads(pickled)
    except Exception:  # a module that has gone, an attribute that has moved, ...
        return types.Opaque(name)
    restored = _type_class(type(game))(game)
    return restored if restored.name == name else types.Opaque(name)


def _type_class(game_class: type[Game]) -> type[GameType]:
    """The class of types for the games of one class, knowing its methods: what `game.step(...)` in a kernel means."""
    if game_class not in _TYPE_CLASSES:
        type_class = type(f"{game_class.__name__}Type", (GameType,), {})
        register_model(type_class)(models.OpaqueModel)
        for name, method in inspect.getmembers(game_class, inspect.isfunction):
            if not name.startswith("__"):
                _register_method(type_class, name, method)
        _TYPE_CLASSES[game_class] = type_class
    return _TYPE_CLASSES[game_class]


def _register_method(type_class: type[GameType], name: str, method: Callable[..., Any]) -> None:
    def find(*arguments: Any) -> Any:
        return method

    find.__signature__ = inspect.signature(method)  # type: ignore[attr-defined]  # numba folds arguments by it
    overload_method(type_class, name)(find)


@unbox(GameType)
def _unbox_game(typ: Any, value: Any, context: Any) -> NativeValue:
    return NativeValue(context.context.get_dummy_value())


@infer_getattr
class _GameAttribute(AttributeTemplate):  # type: ignore[misc]
    key = GameType

    def generic_resolve(self, typ: GameType, name: str) -> Any:
        if name in typ.constants:
            return numba.typeof(typ.constants[name])
        return None


@lower_getattr_generic(GameType)
def _lower_attribute(context: Any, builder: Any, typ: GameType, value: Any, name: str) -> Any:
    constant = typ.constants[name]
    return context.get_constant_generic(builder, numba.typeof(constant), constant)
