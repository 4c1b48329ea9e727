"""The front door: ``python -m tinygan`` and the command ``tinygan`` come in here.

It opens before NumPy is imported, so that Ctrl-C in that second ends the process without a traceback.
"""

import signal
import sys


def main():
    """Run the command line; returns the exit code."""
    heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # under nohup it is to be ignored
    if heard:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from tinygan.app import cli

    if heard:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
