"""Ready-made agents, written against the public face of `dagger` alone."""

__all__: list[str] = []
