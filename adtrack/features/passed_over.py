"""Functions of torch that are passed over for a while."""

from collections.abc import Callable, Collection, Mapping, Sequence

from torch.overrides import TorchFunctionMode


class PassedOver(TorchFunctionMode):
    """While it is on, calls of ``functions`` give their first argument as it is."""

    def __init__(self, functions: Collection[Callable[..., object]]) -> None:
        super().__init__()
        self._functions = functions

    def __torch_function__(
        self,
        function: Callable[..., object],
        types: Sequence[type],
        arguments: Sequence[object] = (),
        named: Mapping[str, object] | None = None,
    ) -> object:
        """Return the first argument of what is passed over; call any other function."""
        return arguments[0] if function in self._functions else function(*arguments, **(named or {}))
