"""Arrays of a message that stay numpy arrays for as long as nobody asks for their bytes.

Flower serialises an array the moment it is put into a message: 45 MB per client and direction for a
ResNet-18, most of a round's overhead when both ends run in one process. A lazy array is serialised
only where it really leaves the process (`flwr run`, SuperNodes), and then byte for byte the same.
"""

import io
from functools import cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray


class LazyArray:
    """Array of a message that shares a numpy array's memory; its bytes are computed on demand.

    lazy_array_class() puts it in front of Flower's own Array.
    """

    plain: ClassVar[Any]
    """Flower's Array, as which it leaves the process: a receiver knows no lazy ones."""

    def __init__(self, array: NDArray[Any]) -> None:
        view = array.view()
        view.flags.writeable = False  # both ends of a message share this memory
        self.__dict__.update(
            dtype=str(array.dtype), shape=tuple(array.shape), stype="numpy.ndarray", _view=view
        )

    def numpy(self) -> NDArray[Any]:
        """Return the array, read-only and without a copy."""
        view: NDArray[Any] = self.__dict__["_view"]
        return view

    @property
    def data(self) -> bytes:
        """The bytes in numpy's own format, as Flower sends them; kept once they are computed."""
        if "_bytes" not in self.__dict__:
            buffer = io.BytesIO()
            np.save(buffer, self.numpy(), allow_pickle=False)
            self.__dict__["_bytes"] = buffer.getvalue()
        serialised: bytes = self.__dict__["_bytes"]
        return serialised

    def deflate(self) -> bytes:
        """Return Flower's wire form of the plain array."""
        deflated: bytes = self.plain(*self._fields()).deflate()
        return deflated

    def _fields(self) -> tuple[str, tuple[int, ...], str, bytes]:
        """Return the values of Flower's Array in the order of its constructor."""
        own = self.__dict__
        return own["dtype"], own["shape"], own["stype"], self.data

    def __reduce__(self) -> Any:
        return self.plain, self._fields()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, self.plain) and self.data == other.data

    __hash__ = None  # type: ignore[assignment]  # like Flower's own


@cache
def lazy_array_class(array_class: Any) -> Any:
    """Return the subclass of Flower's Array that is a LazyArray; the same one in every call.

    Flower's class is an argument because this package does not import Flower.
    """
    return type("LazyArray", (LazyArray, array_class), {"plain": array_class})
