"""A file is there whole or not at all, and nothing that others have put in its way is followed or harmed."""

from __future__ import annotations

import os
import stat
import threading

import pytest

from tinygan.app import files
from tinygan.app.files import whole


@pytest.mark.parametrize("error", [OSError("full"), KeyboardInterrupt()], ids=["full", "Ctrl-C"])
def test_a_failure_leaves_what_was_there_and_nothing_else(tmp_path, error):
    path = tmp_path / "picture.png"
    path.write_text("before")
    with pytest.raises(type(error)), whole(path) as temporary:
        assert temporary.suffix == ".png" and temporary.parent == tmp_path
        temporary.write_text("half")
        raise error
    assert path.read_text() == "before" and os.listdir(tmp_path) == ["picture.png"]


def test_a_file_gets_its_name_when_it_is_whole(tmp_path):
    path = tmp_path / "picture.png"
    path.write_text("before")
    with whole(path) as temporary:
        temporary.write_text("after")
        assert path.read_text() == "before"
    assert path.read_text() == "after" and os.listdir(tmp_path) == ["picture.png"]


def test_it_may_be_read_by_whom_any_new_file_may_be_read(tmp_path):
    (tmp_path / "any").touch()
    with whole(tmp_path / "ours"):
        pass
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("any", "ours")}
    assert len(modes) == 1, modes


def test_the_names_to_write_to_are_foreseen_by_nobody(tmp_path):
    """Two at once do not meet; and a link that waits under such a name, were it known, is not followed."""
    seen = set()
    for _ in range(50):
        with whole(tmp_path / "x.npy") as temporary:
            seen.add(temporary.name)
    assert len(seen) == 50 and min(map(len, seen)) >= len("x.npy") + 16


def test_a_link_that_waits_for_the_writer_is_not_followed(tmp_path, monkeypatch):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    monkeypatch.setattr(files.secrets, "token_hex", lambda n: "known")
    (tmp_path / f"x{files.WRITING}known.npy").symlink_to(victim)
    with pytest.raises(FileExistsError), whole(tmp_path / "x.npy") as temporary:
        temporary.write_text("overwritten")
    assert victim.read_text() == "precious"


def test_a_link_under_the_final_name_gives_way(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    path = tmp_path / "x.npy"
    path.symlink_to(victim)
    with whole(path) as temporary:
        temporary.write_text("ours")
    assert victim.read_text() == "precious" and path.read_text() == "ours" and not path.is_symlink()


def test_many_at_once_all_succeed_and_the_last_one_stays(tmp_path):
    path, all_in, failures = tmp_path / "x.npy", threading.Barrier(5), []

    def write(text):
        try:
            with whole(path) as temporary:
                temporary.write_text(text)
                all_in.wait()
        except OSError as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(str(i) * 1000,)) for i in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and os.listdir(tmp_path) == ["x.npy"]
    assert path.read_text() in {str(i) * 1000 for i in range(5)}
