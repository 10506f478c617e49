"""What a run may use: how many clients train at once, where, and with how much of a GPU each."""

from dataclasses import dataclass

from fedgroup.errors import FedgroupError


@dataclass(frozen=True)
class Resources:
    """Not part of a spec: it changes how long a run takes, never its records."""

    workers: int = 1
    """Clients training side by side. 1: in this process, without Ray."""
    gpus_per_client: float | None = None
    """Share of a GPU each worker holds; default: the GPUs there are, shared evenly."""
    threads: int = 1
    """Threads of one training client on the CPU. Other counts round differently: keep one count per
    study."""
    ray_address: str | None = None
    """Address of a running Ray cluster (`auto` finds one); default: Ray starts on this machine."""

    def __post_init__(self) -> None:
        if self.workers < 1 or self.threads < 1:
            raise FedgroupError(
                f"workers {self.workers} and threads {self.threads} must be at least 1"
            )
        if self.gpus_per_client is not None and not 0 <= self.gpus_per_client <= 8:
            raise FedgroupError(
                f"gpus-per-client must lie in 0..8, e.g. 0.25 for four clients on one GPU, "
                f"got {self.gpus_per_client}"
            )

    @property
    def needs_ray(self) -> bool:
        """True where clients run outside this process."""
        return self.workers > 1 or self.ray_address is not None
