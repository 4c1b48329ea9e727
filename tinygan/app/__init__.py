"""What the command ``tinygan`` does: arguments, run folders, checkpoints, the download, the progress line."""
