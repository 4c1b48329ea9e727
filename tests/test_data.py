"""Data are read exactly or refused in one line, and drawn fairly.

IDX files and folders: any byte string parses or raises DataError. Minibatches: every example once
per epoch, reproducible, resumable, allocation-free.
"""

from __future__ import annotations

import gzip
import os
import struct
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from small_runs import refusal

from tinygan import data
from tinygan.data import DataError, Minibatches, load_folder, read_idx

TRAIN_X, TRAIN_Y = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def idx_bytes(array: np.ndarray) -> bytes:
    """The IDX file of a uint8 array: the format's definition, written the other way round."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def header(*shape: int, code: int = 8) -> bytes:
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, code, len(shape), *shape)


# ---- IDX files ----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(5,), (3, 4), (2, 28, 28)])
@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("name", ["plain-name", "name.gz"])
def test_reads_what_was_written_and_knows_gzip_by_its_bytes(tmp_path, shape, zipped, name):
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    path = tmp_path / name
    path.write_bytes(gzip.compress(idx_bytes(array)) if zipped else idx_bytes(array))
    got = read_idx(path)
    assert got.dtype == np.uint8
    np.testing.assert_array_equal(got, array)


GOOD = idx_bytes(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
DAMAGE = {
    "nothing in it": (b"", "begins with the bytes ''"),
    "three bytes": (b"\0\0\x08", "begins with"),
    "a web page": (b"<!DOCTYPE html><title>403 Forbidden</title>", "magic number"),
    "no dimensions": (header() + b"x", "magic number"),
    "five dimensions": (header(1, 1, 1, 1, 1) + b"x", "magic number"),
    "floats": (header(2, code=0x0D) + bytes(8), "type code 13"),
    "ends within the header": (header(2, 3, 4)[:-1], "within its header"),
    "truncated": (GOOD[:-1], "ends after 23 of the 24 bytes"),
    "bytes too many": (GOOD + b"\0", "goes on after the 24 bytes"),
    "no images": (header(0, 28, 28), "empty"),
    "nothing times the largest sizes": (header(0, 2**32 - 1, 2**32 - 1), "empty"),
    "2^40 values": (header(2**20, 2**10, 2**10), "more than the limit"),
    "2^96 values": (header(2**32 - 1, 2**32 - 1, 2**32 - 1), "more than the limit"),
    "gzip of nothing": (gzip.compress(b""), "begins with"),
    "gzip cut short": (gzip.compress(GOOD)[:-9], "end-of-stream"),
    "gzip magic alone": (b"\x1f\x8b", "end-of-stream"),
    "gzip with a wrong check sum": (gzip.compress(GOOD)[:-8] + bytes(8), "CRC"),
    "gzip with a broken block": (gzip.compress(GOOD)[:10] + b"\xff" * 20, "decompressing"),
    "gzip with rubbish behind it": (gzip.compress(GOOD) + b"rubbish", "gzipped"),
    "gzip with a second file behind it": (gzip.compress(GOOD) * 2, "goes on after"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_refused_with_name_and_reason(tmp_path, damage):
    content, reason = DAMAGE[damage]
    path = tmp_path / "some-file"
    path.write_bytes(content)
    message = refusal(read_idx, path)
    assert str(path) in message and reason in message, message


def test_what_is_not_a_file_is_refused_and_never_waited_for(tmp_path):
    assert "no such file" in refusal(read_idx, tmp_path / "absent")
    assert "not a file" in refusal(read_idx, tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        assert "not a file" in refusal(read_idx, tmp_path / "pipe")


def test_a_file_that_the_system_will_not_read_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "forbidden"
    path.write_bytes(GOOD)

    def forbidden(*args, **kwargs):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("builtins.open", forbidden)  # a mode of 000 does not stop root
    message = refusal(read_idx, path)
    assert str(path) in message and "Permission denied" in message


def test_promises_that_the_file_does_not_keep_cost_neither_memory_nor_time(tmp_path):
    bombs = {
        "a header that promises 2^40 images": header(2**20, 2**10, 2**10) + bytes(1000),
        "a header that promises the limit": header(2**10, 2**10, 2**10) + bytes(1000),
        "2 GiB of zeros in a gzip that promises 2 GiB": two_gib_gzip(header(2**11, 2**10, 2**10)),
        "2 GiB of zeros in a gzip that promises 784": two_gib_gzip(header(1, 28, 28)),
        "2 GiB of zeros in a gzip without header": two_gib_gzip(b""),
    }
    for what, content in bombs.items():
        path = tmp_path / "bomb"
        path.write_bytes(content)
        tracemalloc.start()
        begin = time.thread_time()
        refusal(read_idx, path)
        seconds = time.thread_time() - begin
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4e6, f"{what}: {peak / 1e6:.1f} MB taken"
        assert seconds < 1, f"{what}: {seconds:.1f} s taken"


def two_gib_gzip(start: bytes) -> bytes:
    """A valid gzip file of about 2 MB with 2 GiB of zeros after `start` (as gzip members)."""
    return gzip.compress(start) + gzip.compress(bytes(1 << 24)) * 128


def test_the_limit_is_exact(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(GOOD)
    assert read_idx(path, max_bytes=24).size == 24
    assert "more than the limit of 23" in refusal(read_idx, path, max_bytes=23)


@st.composite
def mutated_idx(draw) -> bytes:
    """A valid IDX file, damaged before or after its compression, or not at all."""
    shape = draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))
    values = draw(st.binary(min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))
    content = mutate(draw, header(*shape) + values)
    if draw(st.booleans()):
        content = mutate(draw, gzip.compress(content, mtime=0))
    return content


def mutate(draw, content: bytes) -> bytes:
    for _ in range(draw(st.integers(0, 3))):
        i, j = sorted(draw(st.integers(0, len(content))) for _ in range(2))
        kind = draw(st.sampled_from(["overwrite", "remove", "insert", "double", "cut"]))
        if kind == "overwrite":
            new = draw(st.binary(min_size=1, max_size=4))
            content = content[:i] + new + content[i + len(new) :]
        else:
            content = {
                "remove": content[:i] + content[j:],
                "cut": content[:i],
                "insert": content[:i] + draw(st.binary(max_size=8)) + content[i:],
                "double": content[:j] + content[i:],
            }[kind]
    return content


def check_parses_or_refuses(path: Path, content: bytes) -> bool:
    """Whether the content was read; if so, it must be exactly what the array says."""
    path.write_bytes(content)
    try:
        array = read_idx(path)
    except DataError as error:
        assert str(path) in str(error) and len(str(error).splitlines()) == 1
        return False
    plain = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    assert idx_bytes(array) == plain, f"{content!r} was read as {array!r}"
    return True


@pytest.fixture(scope="module")
def fuzzed_file(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "fuzzed"


any_bytes = st.binary(max_size=64).flatmap(
    lambda tail: st.sampled_from([b"", b"\0\0\x08", b"\x1f\x8b\x08"]).map(lambda head: head + tail)
)


@settings(max_examples=300)
@given(content=mutated_idx() | any_bytes)
@example(content=GOOD)
@example(content=gzip.compress(GOOD))
def test_any_byte_string_parses_exactly_or_raises_data_error(fuzzed_file, content):
    check_parses_or_refuses(fuzzed_file, content)


@pytest.mark.long
def test_6000_mutated_files_parse_exactly_or_raise_data_error_in_bounded_memory(fuzzed_file):
    parsed = []

    @settings(max_examples=6000, derandomize=False, database=None)
    @given(content=mutated_idx() | any_bytes)
    def check(content):
        tracemalloc.start()
        parsed.append(check_parses_or_refuses(fuzzed_file, content))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4e6, f"{peak} bytes taken for {content!r}"

    check()
    assert len(parsed) >= 5000
    assert 0.05 < np.mean(parsed) < 0.8, f"{np.mean(parsed):.0%} were read: a one-sided test"


# ---- folders ------------------------------------------------------------------------------------


def write_folder(folder: Path, n: int = 7, prefix: str = "train", suffix: str = "") -> np.ndarray:
    """A small folder of MNIST's format; returns its images."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(n)
    images = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)
    pack = gzip.compress if suffix == ".gz" else bytes
    (folder / f"{prefix}-images-idx3-ubyte{suffix}").write_bytes(pack(idx_bytes(images)))
    labels = np.arange(n, dtype=np.uint8) % 10
    (folder / f"{prefix}-labels-idx1-ubyte{suffix}").write_bytes(pack(idx_bytes(labels)))
    return images


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("split, prefix", [("train", "train"), ("test", "t10k")])
def test_any_folder_with_the_standard_names_is_a_dataset(tmp_path, suffix, split, prefix):
    images = write_folder(tmp_path / "fashion", prefix=prefix, suffix=suffix)
    dataset = load_folder(tmp_path / "fashion", split)
    assert dataset.name == "fashion"
    assert dataset.x.dtype == np.uint8
    np.testing.assert_array_equal(dataset.x, images.reshape(7, 784))
    np.testing.assert_array_equal(dataset.labels, np.arange(7))


def test_a_dataset_is_named_after_its_folder_however_the_folder_is_given(tmp_path, monkeypatch):
    write_folder(tmp_path / "kmnist")
    monkeypatch.chdir(tmp_path / "kmnist")
    for folder in (".", "../kmnist", f"{tmp_path}/kmnist/"):
        assert load_folder(folder).name == "kmnist", folder


@pytest.mark.parametrize(
    "name, shown",
    [
        (b"lat\xe9", "lat\ufffd"),
        (b"a\tb\nc", "a\ufffdb\ufffdc"),
        (b"\x1b[2J", "\ufffd[2J"),
        ("日本 é".encode(), "日本 é"),
    ],
)
def test_a_name_that_cannot_be_shown_is_shown_without_what_cannot(tmp_path, name, shown):
    folder = tmp_path / os.fsdecode(name)
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this system has no such names of folders")
    write_folder(folder)
    assert load_folder(folder).name == shown
    assert shown.isprintable()


def test_a_folder_that_cannot_have_been_named_so_is_refused():
    assert "not a folder that can be read" in refusal(load_folder, "a\0b")


def test_bad_folders_are_refused_with_what_is_wrong(tmp_path):
    good = tmp_path / "good"
    write_folder(good)
    images, labels = good / TRAIN_X, good / TRAIN_Y

    assert "no split 'valid'" in refusal(load_folder, good, "valid")
    assert "not a folder" in refusal(load_folder, tmp_path / "absent")
    assert "not a folder" in refusal(load_folder, images)
    assert "no t10k-images-idx3-ubyte" in refusal(load_folder, good, "test")

    (tmp_path / "empty").mkdir()
    message = refusal(load_folder, tmp_path / "empty")
    assert TRAIN_X in message and TRAIN_Y in message and str(tmp_path / "empty") in message

    def with_content(path: Path, content: bytes) -> str:
        kept = path.read_bytes()
        path.write_bytes(content)
        message = refusal(load_folder, good)
        path.write_bytes(kept)
        assert str(path.parent) in message and path.name in message, message
        return message

    whole = images.read_bytes()
    assert "ends after 5478 of the 5488" in with_content(images, whole[:-10])
    assert "magic number" in with_content(images, b"\x07" + whole[1:])
    assert "empty" in with_content(images, header(0, 28, 28))
    assert "7 images" in with_content(labels, idx_bytes(np.zeros(6, np.uint8)))
    assert "6 labels" in with_content(labels, idx_bytes(np.zeros(6, np.uint8)))
    for shape in ((7, 7, 28), (7, 28, 65), (7,), (7, 8, 8, 4)):
        assert f"{shape}, not (N, height, width)" in with_content(images, idx_bytes(np.zeros(shape, np.uint8))), shape
    assert "has 3 dimensions" in with_content(labels, whole)
    images.unlink()
    images.mkdir()
    assert "not a file" in refusal(load_folder, good)


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """An empty home folder, and no variable that could lead elsewhere."""
    for name in ("TINYGAN_DATA", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    return tmp_path / "home"


def test_the_cache_lies_where_the_platform_keeps_caches(home, monkeypatch):
    def cache_on(platform):
        monkeypatch.setattr(sys, "platform", platform)
        return data.cache_folder()

    assert cache_on("linux") == home / ".cache" / "tinygan"
    assert cache_on("darwin") == home / "Library" / "Caches" / "tinygan"
    assert cache_on("win32") == home / "AppData" / "Local" / "tinygan"
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "xdg"))
    monkeypatch.setenv("LOCALAPPDATA", str(home / "local"))
    assert cache_on("linux") == home / "xdg" / "tinygan"
    assert cache_on("win32") == home / "local" / "tinygan"


def test_without_a_home_folder_one_line_says_so(home, monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.setattr(sys, "platform", "linux")
    assert "TINYGAN_DATA" in refusal(data.cache_folder)
    assert data.find_mnist() is None


def test_mnist_is_found_in_tinygan_data_then_in_a_complete_cache(home, tmp_path, monkeypatch):
    assert data.find_mnist() is None
    assert "TINYGAN_DATA" in refusal(data.load_mnist)
    data.cache_folder().mkdir(parents=True)
    write_folder(data.cache_folder(), n=3, suffix=".gz")
    assert data.find_mnist() is None, "two files of four are not a complete cache"
    write_folder(data.cache_folder(), n=3, prefix="t10k")
    assert data.find_mnist() == data.cache_folder()
    assert (data.load_mnist().name, len(data.load_mnist("test").x)) == ("mnist", 3)

    mine = tmp_path / "mine"
    monkeypatch.setenv("TINYGAN_DATA", str(mine))
    for step in ("not a folder", "no train-images-idx3-ubyte"):
        message = refusal(data.find_mnist)
        assert message.startswith(f"TINYGAN_DATA={mine}") and step in message
        mine.mkdir(exist_ok=True)
    write_folder(mine, n=4)
    assert "t10k-images-idx3-ubyte" in refusal(data.load_mnist)
    write_folder(mine, n=4, prefix="t10k")
    assert data.find_mnist() == mine
    assert len(data.load_mnist().x) == 4


def test_real_mnist_has_the_published_mean_and_deviation(mnist_folder):
    tracemalloc.start()
    begin = time.thread_time()
    train = data.load_mnist()
    seconds = time.thread_time() - begin
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert train.x.shape == (60000, 784) and train.labels.shape == (60000,)
    histogram = sum(np.bincount(part, minlength=256) for part in np.array_split(train.x.ravel(), 99))
    gray = np.arange(256) / 255
    mean = histogram @ gray / train.x.size
    assert abs(mean - 0.1307) < 5e-5
    assert abs(np.sqrt(histogram @ (gray - mean) ** 2 / train.x.size) - 0.3081) < 5e-5
    np.testing.assert_array_equal(
        np.bincount(train.labels), [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    )
    assert peak < 1.3 * train.x.nbytes, f"{peak / 1e6:.0f} MB for {train.x.nbytes / 1e6:.0f} MB"
    assert seconds < 3, f"loading took {seconds:.1f} s"

    test = data.load_mnist("test")
    assert test.x.shape == (10000, 784) and test.labels[:5].tolist() == [7, 2, 1, 0, 4]


def test_a_fault_and_its_remedy_are_said_in_one_line_or_in_two():
    error = DataError("two\nlines", "do this")
    assert (error.fault, error.remedy, str(error)) == ("two lines", "do this", "two lines: do this")
    assert (DataError("alone").remedy, str(DataError("alone"))) == ("", "alone")


# ---- minibatches --------------------------------------------------------------------------------


def numbered(n: int) -> np.ndarray:
    """n distinct examples (n, 2): a batch tells which examples it holds."""
    return np.arange(2 * n, dtype=np.float32).reshape(n, 2)


def indices(batch: np.ndarray) -> list[int]:
    assert (batch[:, 1] == batch[:, 0] + 1).all(), "a row was torn apart"
    return (batch[:, 0] / 2).astype(int).tolist()


@settings(max_examples=200)
@given(n=st.integers(1, 40), batch_size=st.integers(1, 100), seed=st.integers(0, 999))
@example(n=12, batch_size=4, seed=0)
@example(n=10, batch_size=4, seed=0)
@example(n=3, batch_size=10, seed=0)
@example(n=1, batch_size=5, seed=0)
def test_every_example_comes_once_per_epoch_and_every_batch_is_full(n, batch_size, seed):
    batches = Minibatches(numbered(n), batch_size, np.random.default_rng(seed))
    drawn = []
    while len(drawn) < 3 * n:
        assert batches.epoch == len(drawn) / n
        batch = batches.next()
        assert batch.shape == (batch_size, 2) and batch.dtype == np.float32
        drawn += indices(batch)
    for start in range(0, 3 * n, n):
        epoch = drawn[start : start + n]
        assert sorted(epoch) == list(range(n)), f"the epoch from draw {start} on was {epoch}"


def test_every_epoch_has_its_own_random_order():
    batches = Minibatches(numbered(50), 50, np.random.default_rng(0))
    first, second, third = (indices(batches.next()) for _ in range(3))
    assert list(range(50)) not in (first, second, third)
    assert first != second != third != first


def test_every_position_of_an_example_is_equally_likely():
    """10,000 epochs of 5 examples: each of the 25 (place, example) counts is 2000 +- 5 sigma."""
    batches = Minibatches(numbered(5), 5, np.random.default_rng(0))
    counts = np.zeros((5, 5), int)
    for _ in range(10_000):
        counts[np.arange(5), indices(batches.next())] += 1
    assert np.abs(counts - 2000).max() < 5 * np.sqrt(10_000 * 0.2 * 0.8), counts


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bytes_are_scaled_exactly_to_0_to_1(dtype):
    x = np.arange(256, dtype=np.uint8).reshape(256, 1).repeat(784, axis=1)
    batches = Minibatches(x, 256, np.random.default_rng(0), dtype)
    batch = batches.next()
    assert batch.dtype == dtype and batches.x.dtype == np.uint8
    assert batch.min() == 0 and batch.max() == 1
    np.testing.assert_array_equal(np.sort(batch[:, 0]), np.arange(256, dtype=dtype) / dtype(255))
    assert (batch == batch[:, :1]).all()


@pytest.mark.parametrize("given_dtype", [np.float32, np.float64])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_are_passed_on_in_the_dtype_asked_for(given_dtype, dtype):
    x = np.random.default_rng(0).normal(size=(9, 2)).astype(given_dtype)
    kept = x.copy()
    batch = Minibatches(x, 9, np.random.default_rng(0), dtype).next()
    assert batch.dtype == dtype
    np.testing.assert_array_equal(np.sort(batch, axis=0), np.sort(x.astype(dtype), axis=0))
    batch[:] = 0
    np.testing.assert_array_equal(x, kept, err_msg="writing to a batch changed the data")


def test_a_view_with_gaps_gives_the_same_batches_as_its_copy():
    wide = np.random.default_rng(0).integers(0, 256, (20, 30), dtype=np.uint8)
    for x in (wide[:, ::2], wide[::2], np.asfortranarray(wide)):
        got = Minibatches(x, 8, np.random.default_rng(1)).next()
        np.testing.assert_array_equal(got, Minibatches(x.copy(), 8, np.random.default_rng(1)).next())


def test_the_order_comes_from_the_generator_and_from_nowhere_else():
    def sequence(seed):
        batches = Minibatches(numbered(10), 4, np.random.default_rng(seed))
        return [indices(batches.next()) for _ in range(8)]

    assert sequence(3) == sequence(3)
    assert sequence(3) != sequence(4)

    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    Minibatches(numbered(10), 4, rng)
    assert rng.bit_generator.state == before, "making a Minibatches drew from the generator"


@pytest.mark.parametrize("taken", [0, 1, 5, 7, 10, 23])  # 5 and 10 end an epoch of 20
def test_a_restored_state_goes_on_bit_for_bit(tmp_path, taken):
    x = np.random.default_rng(9).integers(0, 256, (20, 784), dtype=np.uint8)
    rng = np.random.default_rng(0)
    batches = Minibatches(x, 4, rng)
    for _ in range(taken):
        batches.next()
    np.savez(tmp_path / "state.npz", order=batches.order, drawn=batches.drawn)
    rng_state = rng.bit_generator.state
    wanted = [batches.next().copy() for _ in range(12)]

    rng = np.random.default_rng(77)
    resumed = Minibatches(x, 4, rng)
    resumed.next()
    with np.load(tmp_path / "state.npz", allow_pickle=False) as state:
        resumed.restore(state["order"], state["drawn"])
    rng.bit_generator.state = rng_state
    assert resumed.epoch == taken * 4 / 20
    for i, batch in enumerate(wanted):
        np.testing.assert_array_equal(resumed.next(), batch, err_msg=f"batch {i} after resuming")


@pytest.mark.parametrize(
    "order", [np.arange(9), np.arange(11), np.arange(10) + 1, np.zeros(10, int), np.array(3)], ids=repr
)
def test_a_state_of_other_data_is_refused_and_changes_nothing(order):
    batches = Minibatches(numbered(10), 3, np.random.default_rng(0))
    batches.next()
    before = batches.order.copy()
    message = refusal(batches.restore, order, 0)
    assert f"{order.size} examples" in message and "10" in message
    np.testing.assert_array_equal(batches.order, before)
    assert batches.drawn == 3


def test_no_examples_and_no_batch_are_refused():
    rng = np.random.default_rng(0)
    assert "no examples" in refusal(Minibatches, np.zeros((0, 784), np.uint8), 4, rng)
    for size in (0, -3):
        with pytest.raises(ValueError, match=f"batch_size is {size}"):
            Minibatches(numbered(10), size, rng)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "x",
    [
        pytest.param(np.zeros((1000, 784), np.uint8), id="uint8"),
        pytest.param(np.zeros((1000, 784), np.float32), id="float32"),
        pytest.param(np.zeros((1000, 1568), np.uint8)[:, ::2], id="uint8 with gaps"),
    ],
)
def test_no_batch_sized_allocation_once_warm(x, dtype):
    batches = Minibatches(x, 64, np.random.default_rng(0), dtype)
    batches.next()
    tracemalloc.start()
    try:
        first = batches.next()
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        for _ in range(40):  # more than two epochs
            assert batches.next() is first, "the batch is not the reused buffer"
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert peak < 64 * 784 / 2, f"{peak} bytes were taken; a batch of bytes is {64 * 784}"


def test_a_batch_of_64_digits_takes_microseconds():
    """About 20 us on the machine where it was written; the bound leaves room for busy ones."""
    x = np.random.default_rng(0).integers(0, 256, (10_000, 784), dtype=np.uint8)
    batches = Minibatches(x, 64, np.random.default_rng(0))
    times = []
    for _ in range(200):
        begin = time.thread_time()
        batches.next()
        times.append(time.thread_time() - begin)
    assert np.min(times) < 100e-6, f"{np.min(times) * 1e6:.0f} us"
