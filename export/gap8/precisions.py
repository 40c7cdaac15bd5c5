"""By which of the library's two rules a program's convolutions can be computed."""

from tfpipeline.targets.gap8 import kernels, program


def possible(p: program.Program) -> tuple[str, ...]:
    """The precisions, of `kernels.PRECISIONS`.

    Single precision begins with the bias as it stands, so that it must have the
    fraction bits of the output.
    """
    has_single = all(
        layer.format.bias_q == layer.format.out_q
        for layer in p.layers
        if isinstance(layer, program.Conv)
    )
    return kernels.PRECISIONS if has_single else (kernels.DOUBLE,)
