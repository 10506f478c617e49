"""Arrays of a message that stay numpy arrays for as long as nobody asks for their bytes.

Flower serialises an array the moment it is put into a message: 45 MB per client and direction for a
ResNet-18, most of a round's overhead when both ends live in one process. A live array is serialised
only where it really leaves the process (`flwr run`, SuperNodes), and then byte for byte the same.
"""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray


def live(array_class: Any) -> Any:
    """Subclass Flower's Array (given, because this package does not import Flower) to hold a numpy array."""

    class Live(array_class):  # type: ignore[misc]
        """Holds the array itself; `data`, its bytes, are made on demand and kept."""

        def __init__(self, array: NDArray[Any]) -> None:
            view = array.view()
            view.flags.writeable = False  # both ends of a message share this memory
            self.__dict__.update(
                dtype=str(array.dtype), shape=tuple(array.shape), stype="numpy.ndarray", _view=view
            )

        def numpy(self) -> NDArray[Any]:
            """The array, read-only and without a copy."""
            view: NDArray[Any] = self.__dict__["_view"]
            return view

        @property
        def data(self) -> bytes:
            """Bytes in numpy's own format, as Flower sends them."""
            if "_bytes" not in self.__dict__:
                buffer = io.BytesIO()
                np.save(buffer, self.numpy(), allow_pickle=False)
                self.__dict__["_bytes"] = buffer.getvalue()
            made: bytes = self.__dict__["_bytes"]
            return made

        def deflate(self) -> bytes:
            """Flower's wire form of a plain array: the receiver knows no live ones."""
            deflated: bytes = array_class(self.dtype, self.shape, self.stype, self.data).deflate()
            return deflated

        def __reduce__(self) -> Any:
            return array_class, (self.dtype, self.shape, self.stype, self.data)

        def __eq__(self, other: object) -> bool:
            return isinstance(other, array_class) and self.data == other.data

        __hash__ = None  # type: ignore[assignment]  # like Flower's own

    return Live
