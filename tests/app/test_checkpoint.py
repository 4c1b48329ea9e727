"""A checkpoint comes back bit for bit, is at every moment whole, and anything else in its place is refused.

"Refused" means a ``CheckpointError`` of one line with the file's name, in bounded memory, whatever
the bytes are.
"""

from __future__ import annotations

import io
import json
import os
import tracemalloc
import zipfile

import numpy as np
import pytest
from helpers import assert_same_bits
from hypothesis import given, settings
from hypothesis import strategies as st
from small_runs import TINY, trained

from tinygan.app import checkpoint
from tinygan.app.errors import CheckpointError, Damaged

ARRAYS = {
    "generator": np.array([1.5, -0.0, np.nan, np.inf], np.float32),
    "order": np.arange(6),
    "frames": np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
    "history": np.empty((0, 13)),
    "sums": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
}
VALUES = {"step": 7, "seconds": 0.1, "rng": {"state": 2**127 + 1}, "name": "Käse 猫"}


@pytest.fixture
def path(tmp_path):
    checkpoint.save(tmp_path / "checkpoint.npz", ARRAYS, VALUES)
    return tmp_path / "checkpoint.npz"


def refusal(path, kind=CheckpointError):
    """The message of the error that loading must raise: one line that begins with the name."""
    with pytest.raises(kind) as caught:
        checkpoint.load(path)
    message = str(caught.value)
    assert message.startswith(str(path)) and len(message.splitlines()) == 1, message
    return message


# ---- written and read ----------------------------------------------------------------------------


def test_comes_back_bit_for_bit(path):
    arrays, values = checkpoint.load(path)
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert_same_bits(name, arrays[name], array)
    assert values == VALUES


def test_numpy_reads_it_without_pickle(path):
    with np.load(path, allow_pickle=False) as file:
        assert {*ARRAYS, "values", "format", "sha256"} == set(file.files)
        assert json.loads(file["values"].tobytes()) == VALUES


def test_the_one_before_is_kept_and_nothing_else(path):
    checkpoint.save(path, ARRAYS, {"step": 8})
    assert checkpoint.load(path)[1] == {"step": 8}
    assert checkpoint.load(checkpoint.previous(path))[1] == VALUES
    assert sorted(os.listdir(path.parent)) == ["checkpoint.npz", "checkpoint.previous.npz"]


@pytest.mark.parametrize("place", ["os.fsync", "os.replace", "second os.replace", "open"])
def test_a_failed_write_is_one_line_and_loses_nothing(path, monkeypatch, place):
    calls = []
    replace = os.replace

    def full_disk(*args, **kwargs):
        calls.append(args)
        if place.startswith("second") and len(calls) == 1:
            return replace(*args)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("builtins.open" if place == "open" else place.removeprefix("second "), full_disk)
        with pytest.raises(CheckpointError, match="checkpoint.npz: .*No space left on device"):
            checkpoint.save(path, ARRAYS, {"step": 8})
    assert calls, "the planted failure was never met"
    kept = checkpoint.previous(path) if place.startswith("second") else path
    assert checkpoint.load(kept)[1] == VALUES
    assert os.listdir(path.parent) == [kept.name], "what is left of a failure takes room"


def test_a_limit_on_the_size_of_files_is_met_like_a_full_disk(path):
    resource = pytest.importorskip("resource", reason="this system has no limit on the size of files")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(CheckpointError, match="checkpoint.npz: .*File too large"):
            checkpoint.save(path, {"large": np.zeros(100_000)}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert checkpoint.load(path)[1] == VALUES
    assert os.listdir(path.parent) == [path.name]


def test_the_checksum_counts_names_types_shapes_and_bytes():
    x = np.arange(6, dtype=np.int32)
    variants = [{"x": x}, {"y": x}, {"x": x.astype(np.uint32)}, {"x": x.reshape(2, 3)}, {"x": x[::-1]}]
    assert len({checkpoint.digest(content) for content in variants}) == len(variants)
    assert checkpoint.digest({"x": x, "y": x}) == checkpoint.digest({"y": x, "x": x})


def test_a_message_is_one_line_whatever_it_quotes():
    assert str(CheckpointError("run\nof\n two: lost")) == "run of two: lost"


# ---- refused -------------------------------------------------------------------------------------


def npz(**content):
    file = io.BytesIO()
    np.savez(file, **content)
    return file.getvalue()


def zipped(members, method=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def npy(shape, dtype="<f8", data=b""):
    """An .npy file whose header may claim anything."""
    header = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


def lying(size):
    """Ten million zeros, packed well, in an archive whose directory speaks of a few bytes."""
    data = zipped({"a.npy": npy((10**7,), "u1", bytes(10**7))}, zipfile.ZIP_BZIP2)
    at = data.rfind(b"PK\1\2") + 24  # where the directory says how long it is when unpacked
    return data[:at] + size.to_bytes(4, "little") + data[at + 4 :]


FOREIGN = {
    "nothing": (b"", "not a zip file"),
    "text": (b"step,epoch\n1,2\n", "not a zip file"),
    "an empty archive": (zipped({}), "no 'format' in it"),
    "another archive": (zipped({"a.txt": b"hello"}), "magic"),
    "other arrays": (npz(weights=np.zeros(3)), "no 'format' in it"),
    "pickled objects": (npz(format=np.array([{}], dtype=object)), "OBJECT array"),
    "no checksum": (npz(format=np.array(1)), "no 'sha256' in it"),
    "a wrong checksum": (npz(format=np.array(1), sha256=np.zeros(32, np.uint8)), "checksum"),
    "no values": (
        npz(format=np.array(1), sha256=np.frombuffer(checkpoint.digest({}), np.uint8)),
        "no 'values' in it",
    ),
    "2^40 numbers": (zipped({"a.npy": npy((2**40,))}), "reshape"),
    "2^40 x 2^40 numbers": (zipped({"a.npy": npy((2**40, 2**40))}), "reshape"),
    "numbers of 2^30 bytes": (zipped({"a.npy": npy((1,), "V1073741824")}), "reshape"),
    "a small archive that unpacks to much": (
        zipped({"a.npy": npy((10**7,), "u1", bytes(10**7))}, zipfile.ZIP_DEFLATED),
        "unpack",
    ),
    "the same, with a lie about it": (lying(50), "unpack"),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_what_is_no_checkpoint_is_refused_in_little_memory(tmp_path, what):
    content, why = FOREIGN[what]
    path = tmp_path / "checkpoint.npz"
    path.write_bytes(content)
    tracemalloc.start()
    try:
        message = refusal(path, Damaged)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert why in message, message
    assert peak < 1_000_000, f"{peak:,} bytes for a file of {len(content):,}"


def test_many_entries_for_the_same_bytes_are_refused(path):
    """A directory may name one piece of data a thousand times: a bomb without compression."""
    data = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        start = archive.start_dir
        largest = max(archive.infolist(), key=lambda member: member.file_size)
    directory, end = data[start:-22], data[-22:]
    size = len(directory)
    many = max(3, 3 * len(data) // largest.file_size)
    count = (int.from_bytes(end[8:10], "little") * many).to_bytes(2, "little")
    end = end[:8] + count + count + (size * many).to_bytes(4, "little") + end[16:]
    path.write_bytes(data[:start] + directory * many + end)
    assert "unpack" in refusal(path, Damaged)


def test_missing_and_what_is_no_file_is_refused_and_never_waited_for(tmp_path):
    assert "no such checkpoint" in refusal(tmp_path / "absent.npz", Damaged)
    assert "no such checkpoint" in refusal(tmp_path, Damaged)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        assert "no such checkpoint" in refusal(tmp_path / "pipe", Damaged)


def test_what_may_not_be_read_is_not_called_damaged(path, monkeypatch):
    def forbidden(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("zipfile.ZipFile", forbidden)  # a mode of 000 does not stop root
    with pytest.raises(CheckpointError, match="Permission denied") as caught:
        checkpoint.load(path)
    assert not isinstance(caught.value, Damaged)


def test_a_later_format_is_named_and_not_called_damaged(path, monkeypatch):
    monkeypatch.setattr(checkpoint, "FORMAT", 2)
    checkpoint.save(path, ARRAYS, VALUES)
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="format 2.* 1") as caught:
        checkpoint.load(path)
    assert not isinstance(caught.value, Damaged)


def test_truncated_anywhere_is_damaged(path):
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        refusal(path, Damaged)


# ---- any bytes at all ----------------------------------------------------------------------------

REAL = trained(TINY, steps=2).state()


@st.composite
def mutations(draw, original):
    """The bytes of a checkpoint with a few pieces changed, cut out, doubled, or put in."""
    data = bytearray(original)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        # most of a file is numbers; what steers the reader are zip's directory and numpy's headers
        mark = data.find(draw(st.sampled_from([b"PK", b"NUMPY", b"'descr'", b"'shape'", b".npy"])), at)
        at = mark + draw(st.integers(0, 46)) if mark >= 0 and draw(st.booleans()) else at
        piece = draw(st.binary(max_size=8))
        kind = draw(st.sampled_from(["change", "insert", "cut", "double", "end"]))
        if kind == "change":
            data[at : at + len(piece)] = piece
        elif kind == "insert":
            data[at:at] = piece
        elif kind == "cut":
            del data[at : at + draw(st.integers(1, 200))]
        elif kind == "double":
            data[at:at] = data[at : at + draw(st.integers(1, 200))]
        else:
            del data[at:]
    return bytes(data)


def original(folder):
    path = folder / "checkpoint.npz"
    checkpoint.save(path, *REAL)
    return path.read_bytes()


def refused_or_the_same(folder, examples):
    """Load mutated checkpoints: each comes back exactly as saved or is refused, in bounded memory."""
    path, whole = folder / "mutated.npz", original(folder)
    seen = {"refused": 0, "the same": 0, "peak": 0}

    @settings(max_examples=examples)
    @given(mutations(whole))
    def load(data):
        path.write_bytes(data)
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        try:
            arrays, values = checkpoint.load(path)
        except CheckpointError as error:
            assert str(error).startswith(str(path)) and len(str(error).splitlines()) == 1, error
            seen["refused"] += 1
        else:  # the mutation met what does not count, such as a date
            assert values == json.loads(json.dumps(REAL[1])) and arrays.keys() == REAL[0].keys()
            for name, array in REAL[0].items():
                assert_same_bits(name, arrays[name], array)
            seen["the same"] += 1
        seen["peak"] = max(seen["peak"], tracemalloc.get_traced_memory()[1] - before)

    tracemalloc.start()
    try:
        load()
    finally:
        tracemalloc.stop()
    assert seen["refused"] > examples / 2, seen
    assert seen["peak"] < 5 * len(whole) + 500_000, f"{seen}, {len(whole)} bytes long"
    return seen


@pytest.mark.breadth
def test_any_mutation_is_refused_or_harmless(tmp_path):
    refused_or_the_same(tmp_path, 300)


@pytest.mark.long
def test_any_of_six_thousand_mutations_is_refused_or_harmless(tmp_path):
    print(refused_or_the_same(tmp_path, 6000))
