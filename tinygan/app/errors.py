"""What the command line answers with one line and exit code 2."""


class UsageError(Exception):
    """What was asked for cannot be done; the message is one line that says why, and what to do."""

    def __init__(self, message):
        super().__init__(" ".join(message.split()))


class CheckpointError(UsageError):
    """A checkpoint, or another file of a run, cannot be written or read."""


class Damaged(CheckpointError):
    """A checkpoint is missing or damaged, so that the one before it is worth a try."""
