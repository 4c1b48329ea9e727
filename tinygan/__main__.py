"""The front door: ``python -m tinygan`` and the command ``tinygan`` come in here.

It opens before NumPy is imported, so that Ctrl-C in that second ends the process without a traceback,
and NumPy's matrix products are those that the processor was made for.
"""

import os
import signal
import sys
from contextlib import suppress


def choose_kernels(cpuinfo="/proc/cpuinfo"):
    """Have OpenBLAS use AVX-512 where an AMD processor has it, unless the user has chosen; before NumPy is imported.

    OpenBLAS up to 0.3.31 does not know the newest of them (Zen 5; its issue 6029), and takes half the width.
    """
    with suppress(OSError), open(cpuinfo) as file:  # Linux has it
        about = file.read()
        if "AuthenticAMD" in about and "avx512vl" in about:
            os.environ.setdefault("OPENBLAS_CORETYPE", "SkylakeX")


def main():
    """Run the command line; returns the exit code."""
    heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # under nohup it is to be ignored
    if heard:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    choose_kernels()
    from tinygan.app import cli

    if heard:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
