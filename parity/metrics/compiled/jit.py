"""How the kernels are compiled, and what numba lacks for them: memory by its address, and floats by their bits."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

Kernel = TypeVar("Kernel", bound=Callable[..., Any])
# Arrays inside kernels are pointers: numba counts references to its arrays, at a cost that tiles would feel, and
# looks at each index for counting from the end.
Float64s = Any
Float32s = Any
Int64s = Any
Int32s = Any
Int16s = Any
Uint32s = Any

# Division by zero gives infinity, as in numpy, and no interpreter lock is held: other threads go on.
EXACT: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
# Sums may be taken in the order that fills the vector units. NaN and infinity keep their meaning.
_SUMMING: dict[str, Any] = {**EXACT, "fastmath": {"reassoc", "nsz", "contract"}}


def kernel(function: Kernel) -> Kernel:
    """Compile a function in which every operation is rounded as written."""
    return cast(Kernel, njit(**EXACT)(function))


def summing(function: Kernel) -> Kernel:
    """Compile a function whose sums may be reordered: the same way each time, whatever the data."""
    return cast(Kernel, njit(**_SUMMING)(function))


def _bitcast(source: Any, target: Any, llvm_type: Any) -> Callable[[Any], Any]:
    def typed(_context: Any, _value: Any) -> Any:
        def generate(_code: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            return builder.bitcast(arguments[0], llvm_type)

        return target(source), generate

    return cast(Callable[[Any], Any], intrinsic(typed))


def _pointer(element: Any, llvm_type: Any) -> Callable[[Any], Any]:
    def typed(_context: Any, _address: Any) -> Any:
        def generate(_code: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], llvm_type.as_pointer())

        pointer: Any = types.CPointer
        return pointer(element)(types.int64), generate

    return cast(Callable[[Any], Any], intrinsic(typed))


def _prefetch(_context: Any, _address: Any) -> Any:
    def generate(_code: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        byte, whole = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, whole, whole, whole])
        function = builder.module.globals.get(_PREFETCH) or ir.Function(builder.module, kind, _PREFETCH)
        # For reading, into the second-level cache, of data.
        hints = [ir.Constant(whole, hint) for hint in (0, 2, 1)]
        builder.call(function, [builder.inttoptr(arguments[0], byte), *hints])
        return ir.Constant(ir.IntType(64), 0)

    return types.int64(types.int64), generate


_PREFETCH = "llvm.prefetch.p0"
prefetch = cast(Callable[[Any], Any], intrinsic(_prefetch))

bits_of_float64 = _bitcast(types.float64, types.int64, ir.IntType(64))
float64_of_bits = _bitcast(types.int64, types.float64, ir.DoubleType())
bits_of_float32 = _bitcast(types.float32, types.int32, ir.IntType(32))
float32_of_bits = _bitcast(types.int32, types.float32, ir.FloatType())

float64_at = _pointer(types.float64, ir.DoubleType())
float32_at = _pointer(types.float32, ir.FloatType())
int64_at = _pointer(types.int64, ir.IntType(64))
int32_at = _pointer(types.int32, ir.IntType(32))
int16_at = _pointer(types.int16, ir.IntType(16))
int8_at = _pointer(types.int8, ir.IntType(8))
uint8_at = _pointer(types.uint8, ir.IntType(8))
uint32_at = _pointer(types.uint32, ir.IntType(32))
