"""Guess what code takes: for each argument a few candidates, in the order in which they are tried until it runs.

A candidate is symbolic, Draw("N I"), so that the same arguments can be made again at other sizes. What somebody has
written beside the code, "x: (N, T, D)", goes first; then come the names; then layouts in turn: samples in rows,
images, sequences, samples in columns.

N batch, I inputs, O outputs, M hidden units, T time, Y X of an image, K classes.
"""

from __future__ import annotations

import copy
import re
from functools import cache
from typing import NamedTuple

import numpy as np

from tinygan.doctor.sandbox import made_like

SIZES = {"N": 5, "I": 7, "O": 3, "M": 4, "T": 6, "Y": 6, "X": 4, "K": 3, "V": 11}
SPARE = (9, 10, 12, 13, 14, 15)  # of dimensions that somebody has named otherwise


class Draw(NamedTuple):
    """An array to be drawn: an axis a word, "N I", "O 4*M" or "2 3", and what kind of numbers are in it."""

    shape: str
    values: str = "real"


class Size(NamedTuple):
    """A whole number: the length of some axis."""

    symbol: str


class Several(NamedTuple):
    """A list (or tuple, dictionary) of candidates."""

    parts: object


class Make(NamedTuple):
    """What a function returns that is called for each copy anew, with the sizes and a generator."""

    function: object


class World(NamedTuple):
    """A layout: the shape of x, the sizes that go with it; ``last``, 1 or 2, is tried only if nothing else runs."""

    name: str
    x: str
    sizes: dict
    last: int = 0


ITSELF = "as used, the file's own object"
WORLDS = [
    World("rows", "N I", {}),
    World("rows, even numbers", "N I", {"N": 6, "I": 8, "O": 4, "K": 4}),
    World("images", "N I Y X", {"N": 2, "I": 4, "O": 3}),
    World("sequences", "N T I", {"N": 2, "T": 5, "I": 8, "O": 4}),
    World("channels", "N I T", {"N": 2, "I": 4, "T": 9}),
    World("images, channels last", "N Y X I", {"N": 2, "I": 4, "O": 3}),
    World("columns", "I N", {}, 1),
    World("sequences of columns", "I N T", {"T": 4}, 1),
    World("one image", "I Y X", {"I": 2}, 2),
    World("square images", "N I Y Y", {"N": 2, "I": 4, "O": 3}, 2),
    World("columns, one output", "I N", {"O": 1}, 1),
    World("one axis", "N", {"I": 1, "O": 1}, 2),
    World("one sample", "I", {}, 2),
    World("one sample, a row", "1 I", {"N": 1}, 2),
    World("one sample, a column", "I 1", {"N": 1}, 2),
    World("columns, one after the other", "T I 1", {"N": 1}, 2),
    World("one column", "N 1", {"I": 1, "O": 1}, 2),
    World("one number", "", {"I": 1, "O": 1}, 2),
    World("square", "N I", {"N": 4, "I": 4, "O": 4, "M": 4, "K": 4}, 2),
]


# ---- making ------------------------------------------------------------------------------------------


def length(word, sizes):
    """Return the length of an axis: of "N", "4*M", "4M", "I+M" or "3"; a name that is new gets a length of its own."""
    if "+" in word:
        return sum(length(part, sizes) for part in word.split("+"))
    times, symbol = re.fullmatch(r"(\d*)\*?([A-Za-z_]\w*)?", word).groups()
    if symbol and symbol not in sizes:
        sizes[symbol] = next(size for size in SPARE if size not in sizes.values())
    return int(times or 1) * (sizes[symbol] if symbol else 1)


def realize(candidate, sizes, rng, spread):
    """Make what a candidate stands for. ``spread`` is "near", "small", or "far" for numbers that go up to ±8."""
    if isinstance(candidate, Draw):
        return numbers(candidate.values, [length(word, sizes) for word in candidate.shape.split()], sizes, rng, spread)
    if isinstance(candidate, Size):
        return length(candidate.symbol, sizes)
    if isinstance(candidate, Several):
        parts = candidate.parts
        if isinstance(parts, dict):
            return {key: realize(part, sizes, rng, spread) for key, part in parts.items()}
        return made_like(parts, [realize(part, sizes, rng, spread) for part in parts])
    if isinstance(candidate, Make):
        return candidate.function(sizes, rng)
    return candidate.copy() if isinstance(candidate, np.ndarray) else candidate


def numbers(values, shape, sizes, rng, spread):
    """Return an array of this shape: real, positive, chances (rows sum to 1), one-hot, labels, signs, hard, mask,
    boolean, symmetric; or columns sum to 1.

    "labels 5" are whole numbers below 5, "labels" below K, "labels 5 from 1" have no 0; "weights" are real, and so small
    that no sum of them is large.
    """
    if values == "weights":
        return numbers("real", shape, sizes, rng, spread) / np.sqrt(max(shape))
    if spread == "large" and values in ("real", "chances"):
        far = np.resize([30.0, -30.0, 800.0, -800.0], int(np.prod(shape))).reshape(shape) * rng.uniform(0.9, 1.1, shape)
        return far if values == "real" else rng.uniform(0.1, 0.9, shape) * 1e-9
    if values == "symmetric":
        x = numbers("real", shape, sizes, rng, spread)
        return (x + x.T) / 2
    if values == "real":
        sizes_of_all = {"near": [1], "small": [0.1], "far": [0.5, 2, 4]}[spread]
        return signed(rng, shape) * rng.choice(sizes_of_all, shape)
    if values == "positive":
        return rng.uniform(0.3, 2, shape) * (1 if spread == "near" else rng.choice([0.5, 1, 4], shape))
    if values == "chances columns":
        x = rng.uniform(0.2, 1, shape)
        return x / x.sum(axis=0)
    if values == "chances":
        x = rng.uniform(0.2, 1, shape)
        return x / x.sum(axis=-1, keepdims=True) if len(shape) > 1 and shape[-1] > 1 else x * 0.9
    if values in ("one-hot", "one-hot columns"):
        return one_hot(rng, shape, 0 if values.endswith("columns") else -1)
    if values.startswith("labels"):
        size = int(np.prod(shape))
        below, _, low = values[6:].partition(" from ")
        classes = min(int(below or sizes["K"]) - int(low or 0), max(1, size - 1))  # so that one comes twice
        return int(low or 0) + rng.permutation(np.resize(np.arange(classes), size)).reshape(shape)
    if values == "signs":
        return rng.permutation(np.resize([1.0, -1.0], int(np.prod(shape)))).reshape(shape)
    ones = rng.permutation(np.resize([1.0, 0.0, 1.0], int(np.prod(shape)))).reshape(shape)
    if values in ("mask", "boolean") and len(shape) > 1 and shape[-1] > 1:  # a softmax over nothing is no softmax
        ones[..., 0] = np.where(ones.any(axis=-1), ones[..., 0], 1)
    return ones > 0 if values == "boolean" else ones  # hard, mask


def signed(rng, shape, low=0.1, high=2.0):
    """Numbers with low < |x| < high, away from the kink of a rectifier, half of them negative."""
    signs = rng.permutation(alternating(int(np.prod(shape)))).reshape(shape)
    return signs * rng.uniform(low, high, shape)


@cache
def alternating(size):
    """1, -1, 1, ..."""
    return np.resize([1.0, -1.0], size)


def one_hot(rng, shape, axis):
    """Zeros, and a one in each row (axis -1) or column (axis 0); where that would be all ones, zeros and ones."""
    shape = tuple(shape)
    if len(shape) < 2 or shape[axis] == 1:
        return rng.permutation(np.resize([1.0, 0.0], int(np.prod(shape)))).reshape(shape)
    rest = np.delete(shape, axis)
    which = rng.permutation(np.resize(np.arange(shape[axis]), int(np.prod(rest)))).reshape(rest)
    return np.moveaxis(np.eye(shape[axis])[which], -1, axis)


def like(value, batch=None):
    """Return the candidate that stands for things such as this one; axes of the length ``batch`` are called N."""
    if isinstance(value, dict):
        parts = {key: like(part, batch) for key, part in value.items()}
        for key, part in parts.items():
            if isinstance(part, Draw) and part.values == "real" and len(part.shape.split()) == 2:
                parts[key] = part._replace(values="weights")
        return Several(parts)
    if isinstance(value, list) and value and all(isinstance(part, float) for part in value):
        return Draw(str(len(value)))
    if isinstance(value, (list, tuple)):
        return Several(made_like(value, [like(part, batch) for part in value]))
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub" and value.size:
        return Draw(" ".join("N" if n == batch > 1 else str(n) for n in value.shape), kind_of(value))
    plain = (
        isinstance(value, (int, float, str, type(None), np.generic))
        or callable(value)
        and not hasattr(value, "__dict__")
    )
    return value if plain else Make(lambda sizes, rng: copy.deepcopy(value))


def kind_of(array):
    """Return what kind of numbers are in an array, in the words of ``numbers``."""
    kinds = set(np.unique(array)[:3].tolist())
    if array.dtype.kind == "b":
        return "mask"
    if array.ndim == 2 and len(array) == len(array.T) > 1 and np.allclose(array, array.T) and np.any(array[0, 1:]):
        return "symmetric" if array.dtype.kind == "f" else "real"  # of kernels
    if array.dtype.kind in "iu":
        labels = f"labels {array.max() + 1}" + f" from {array.min()}" * bool(array.min() > 0)  # lengths, perhaps
        return labels if array.min() >= 0 else "signs" if kinds <= {-1, 1} else "real"
    if len(kinds) > 1 and kinds <= {-1.0, 1.0}:
        return "signs"
    if len(kinds) > 1 and kinds <= {0.0, 1.0}:
        rows, columns = (array.ndim > 1 and np.all(array.sum(axis=axis) == 1) for axis in (-1, 0))
        return "one-hot" if rows else "one-hot columns" if columns else "hard"
    if array.min() <= 0 or len(kinds) == 1:
        return "real"
    rows, columns = (array.ndim > 1 and np.allclose(array.sum(axis=axis), 1) for axis in (-1, 0))
    return "positive" if array.max() >= 1 else "chances columns" if columns and not rows else "chances"


# ---- candidates --------------------------------------------------------------------------------------

SURELY_TARGETS = re.compile(
    r"(t|y_?true|targets?|tgt|actuals?|y_?labels?|labels?|classes|(ground_?)?truth|gt|\w*one_?hot|expected|desired|teacher\w*)",
    re.I,
)
TARGETS = re.compile(
    SURELY_TARGETS.pattern
    + r"|goals?|ziel\w*|soll\w*|cibles?|objetivos?|alvos?|esperado|y|true|lab|y_?(real|enc)|y_?batch|ys|y_?train",
    re.I,
)
IDS = r"(i\w*|x|ids|tok\w*|words?|inputs?|seq\w*)"
PLAIN_IDS = r"(\w+_)?(ids?|idx|idxs|index|indices|tokens?|words?)|[a-z]\w*(Idx|Ind|Index|Indices|Words?)"
PLACE = r"\w+_(id|idx|index)|[a-z]\w*(Idx|Ind|Index|Word)"
DICTIONARY = r"\w*2(ind|idx|id|i|ix|index)\w*|\w+_to_(ind|idx|id|i|ix|index)"
STATES = r"(h|c|s|hx|cx|hidden|cell|[hcsa]_?0|(prev|last)_?\w+|\w+_?prev|\w+_old)"
DATA = r"x|X|xt|X_\w+|x_\w+|inputs?|input_data|data|features|images?|A_prev|a_prev"
BATCHES = r"(mini_?)?batch|data|samples|pairs"
GAME = r"(d_|D_|x_|pred_|out_|logits?_|score_?s?_|c_|critic_)*(real|fake|gen)(_\w+)?|up|down"
CLASSES = r"n(um)?_?(labels|classes)"
NUMBER = [0.3, 1.5]  # not 0.5, which is 1 - 0.5
# fmt: off
RANDOM = (r"rng|random_state|generator|rs|prng", [Make(lambda sizes, rng: np.random.default_rng(1)), Make(lambda sizes, rng: np.random.RandomState(1))])
CONSTRUCTOR = [  # (what the name of an argument is, what it may stand for)
    RANDOM,
    (r".*seed", [0]),
    (r"mode", ["train"]),
    (r"f|func\w*|fn|activation_?f\w*|act_?fn|nonlinearity", [np.tanh]),
    (r"\w*(prime|deriv\w*|_grad|_backward)|df|d_f\w*", [lambda x: 1 - np.tanh(x) ** 2]),
    (r"lr|learn\w*_?rate|eta|step_?size", [0.1]),
    (r"eps(ilon)?|tol", [1e-5]),
    (r"(p|prob|keep|keep_?prob|drop\w*|rate|p_\w+)", [0.3]),
    (r"momentum|decay\w*|rho|beta_?[12]", [0.9]),
    (r"gamma|beta", [Draw("I"), 1.5, Draw("1 I"), Draw("I 1"), Draw("1 I 1 1")]),
    (r"alpha|slope|negative_slope|delta|margin|tau|temp\w*|lam|lambd\w*|reg|l[12]|scale|strength|weight_decay", NUMBER),
    (r"[wW]\d*|weights?|kernel|filters?", [Draw("I O"), Draw("O I"), Draw("O I 3 3"), Draw("V I"), Draw("I"), Draw("O I 3"), Size("O"), Size("I")]),
    (r"w_?x\w?|w_?ih", [Draw("I M"), Draw("I 4*M"), Draw("I 3*M"), Draw("M I")]),
    (r"w_?h\w?|w_?rec\w*|u\w?", [Draw("M M"), Draw("M 4*M"), Draw("M 3*M"), Size("M")]),
    (r"[bB]\d*|bias(es)?|b_?[xh]\w?", [Draw("O"), Draw("1 O"), Draw("O 1"), True, Draw("1 I"), Draw("M"), Draw("4*M"), Draw("3*M"), Draw("M 1")]),
    (r"(k|kernel|filter|window|f)(_?size|_?width|_?h\w*|_?w)?", [3, 2]),
    (r"(pool|scale|up\w*|down\w*)?(_?size|_?factor|_?scale)|pool|factor|dilation", [2, 3, Size("I")]),
    (r"stride|s", [2, 1]),
    (r"pad(ding)?", [1, 0]),
    (r".*(heads?|groups?|pieces|experts|blocks|n_layers|num_layers|depth)", [2]),
    (r".*vocab\w*|num_embeddings|n_tokens", [Size("V")]),
    (r"(n_?)?(units|neurons|nodes)", [Size("O"), Size("M"), Size("I"), Several([Size("I"), Size("M"), Size("O")])]),
    (r".*(sizes|dims|units|layer_sizes|architecture|topology|layer_dims|widths|dimensions|arch)", [Several([Size("I"), Size("M"), Size("O")])]),
    (r".*shape", [Several((Size("I"),)), Several((Size("I"), Size("Y"), Size("X")))]),
    (r"act(ivation\w*|_\w+)?|nonlin\w*|hidden_act\w*", ["relu", "tanh", "sigmoid", np.tanh]),
    (r"training|train|is_\w+|use_\w+|bias|mean|average", [True]),
    (r"reduction", ["mean"]),
    (r".*(hidden|hid|mid|n_?h|h_?dim|width)\w*", [Size("M"), Size("I"), Size("O")]),
    (r"d_?model|dim|d|features|channels|n_?features|num_features|size|n|embed\w*", [Size("I"), Size("O"), Size("M")]),
    (r".*(out|n_?y|next|vis2)\w*|m|classes|n_?classes|num_classes|k", [Size("O"), Size("I"), Size("M"), 2]),
    (r".*(in|n_?x|vis|prev|input|features|dim)\w*", [Size("I"), Size("O"), Size("M")]),
]
# fmt: on


class Context:
    """Keeps what the forward pass saves for the backward pass, as in a torch.autograd.Function."""

    def save_for_backward(self, *values):
        """Keep these values under the names that are in use."""
        self.saved_tensors = self.saved_values = self.saved_variables = values


class Sampler:
    """A dataset all whose methods return a word: ``dataset.sampleTokenIdx()``."""

    def __init__(self, words):
        self.words, self.rng = words, np.random.default_rng(0)

    def __getattr__(self, name):
        if name[:2] == "__":
            raise AttributeError(name)
        return lambda *args: int(self.rng.integers(self.words))


class Descent:
    """An optimizer whose step is the gradient itself, for layers that keep one: ``layer.initialize(optimizer)``.

    source  of the file: does its own optimizer change w in place?
    """

    def __init__(self, source):
        self.in_place = bool(re.search(r"^\s+(w|p|param|weights?)\s*-=", source, re.M))

    def update(self, w, gradient):
        """Return w - gradient, in the same array, perhaps."""
        return np.subtract(w, gradient, out=w if self.in_place else None)


WEIGHTS = "I O,O I,I I,I M,M M,M O,O O,I 4*M,M 4*M,I,O 1,M 1,M,O,I 1,M I,O M,O I 3 3,O I 3,3 3 I O,3 3 I".split(",")
BIASES = ["O", "M", "I", "1 O", "O 1", "1 M", "M 1", "4*M", "1", "I 1", "1 I"]
CALL = [
    RANDOM,
    (r"dataset|sampler", [Make(lambda sizes, rng: Sampler(sizes["O"]))]),
    (r"ctx|context", [Make(lambda sizes, rng: Context())]),
    (r"lr|learning_?rate|eta|step_?size", [0.1]),
    (r"(train\w*|is_train\w*|training)", [True]),
    (
        r"(w|theta|weights|coef\w*)",
        [
            Draw("I"),
            Draw("I+1"),  # the last, or the first, is the bias
            *(Draw(shape) for shape in WEIGHTS),
            Make(lambda sizes, rng: unrolled(sizes, rng, True)),
            Make(lambda sizes, rng: unrolled(sizes, rng)),
        ],
    ),
    (r"(?i:input|visible|n_in)_?\w*(?i:size|dim|units|nodes)", [Size("I")]),
    (r"(n_?)?hid(den)?\w*(?i:size|dim|units|nodes)|n_hidden", [Size("M")]),
    (rf"{CLASSES}|output_?\w*(size|dim|units|nodes)", [Size("O")]),
    (r"sparsity\w*", [0.3]),
    (r"\w*_params|unrolled\w*", [Make(lambda sizes, rng: unrolled(sizes, rng))]),
    (r"k|(kernel|pool|window|filter)_?size|pool|window|stride", [*NUMBER, 2]),
    (r"(params?|parameters|phi|state|config|cfg|hparams|opts?|\w+_param|layers)", [Several({})]),
    (STATES, [Draw("N M"), Draw("T M"), Draw("N O"), Draw("N I"), Draw("M"), Draw("M N"), Draw("M 1")]),
    (r"\w*mask\w*", [Draw("N T", "mask"), Draw("N I", "mask"), Draw("N", "mask"), Draw("N 1", "mask")]),
    (PLACE, [1, Draw("N", "labels")]),
    (PLAIN_IDS, [Draw("N", "labels"), Draw("N T", "labels"), 1]),
    (DICTIONARY, [Make(lambda sizes, rng: {i: i for i in range(sizes["K"])})]),
    (BATCHES, [Make(lambda sizes, rng: pairs_of(sizes, rng))]),
    (r"(beta|gamma|shift|scale|gain|g)", [Draw("I"), *(Draw(shape) for shape in BIASES)]),
    (r"([bB]\d*|bias\w*|b[a-z])", [*(Draw(shape) for shape in BIASES), 0.3]),
    (r"([wWuUvVkK]\w{0,2}|\w*weights?|w_\w+|W_\w+|kernel|A|B|\w+_w|\w+_W)", [Draw(shape) for shape in WEIGHTS]),
    (
        r"(margin|lam\w*|reg|(log_?)?(tau|temp\w*)|logit_scale|alpha|delta|t|eps\w*|[nmkpq]|sigma|strength|gamma|scale|coef\w*)",
        NUMBER,
    ),
]
CHANCES = re.compile(r"(p|q|p\d|q\d|prob\w*|\w*_probs?|y_?hat|yhat|p_\w+|teacher\w*)", re.I)
DISTANCE = re.compile(r"(d|dist\w*|sigma|std|var|variance|rate)")


def is_weight(name, names):
    """Is it a weight, or the bias beside one, by its name: the same for all samples?"""
    weight = r"[wW]\w{0,2}|\w*weights?|[wW]_\w+|\w+_[wW]|kernel|bias\w*|gamma|beta"
    beside = re.fullmatch(r"b\d?|b_\w+", name) and any(re.fullmatch(weight, other) for other in names)
    return bool(beside or re.fullmatch(weight, name))


def without_batch(name, names, candidates):
    """Leave out what has a length of N, where the argument is a weight."""
    if not is_weight(name, names):
        return candidates
    return [c for c in candidates if not (isinstance(c, Draw) and "N" in c.shape.split())] or candidates


def pairs_of(sizes, rng):
    """A batch as a list of pairs (x, y), columns."""

    def column(n):
        return signed(rng, (n, 1))

    return [(column(sizes["I"]), rng.uniform(0.1, 0.9, (sizes["O"], 1))) for _ in range(sizes["N"])]


def triples(sizes, rng):
    """Ratings as a list of (user, item, number), each user and each item more than once."""
    return [(n % 3, (n + n // 4) % 3, float(value)) for n, value in enumerate(signed(rng, (7,)))]


def unrolled(sizes, rng, decodes=False):
    """All weights and biases of a network with one hidden layer, or of an autoencoder, in one vector."""
    out = sizes["I"] if decodes else sizes["O"]
    return signed(rng, (sizes["M"] * (sizes["I"] + 1) + out * (sizes["M"] + 1),))


def for_constructor(name, position):
    """Return candidates for an argument of a constructor; the nth whose name says nothing gets the nth size."""
    for pattern, candidates in CONSTRUCTOR:
        if re.fullmatch(pattern, name, re.I):
            return candidates
    sizes = [Size("I"), Size("O"), Size("M"), 2]
    first = min(position, 2)
    return [sizes[first], *sizes[:first], *sizes[first + 1 :], 0.5, 3, True, Draw("N I")]


def for_call(name, world, role, text):
    """Return candidates for an argument of a call, whose role is "x", "target" or "more"; ``text``: about the code."""
    index = re.search(rf"\w\[(?:[^\[\]]*,)?\s*{name}\s*(?:,[^\[\]]*)?\](?!\s*=[^=])", text)
    ids = [Draw("N", "labels"), Draw("N T", "labels"), 1] if index and world.x else []
    ids = sorted(ids, key=lambda one: one != 1) if re.fullmatch(PLACE, name) else ids
    if role == "target":
        return targets(name, world.x, text)
    if ids:
        return [*ids, Draw(world.x), Draw("N")]
    kinds = ["chances", "real", "positive"] if CHANCES.fullmatch(name) else ["real", "positive", "chances"]
    kinds = ["positive", "real"] if DISTANCE.fullmatch(name) else kinds
    if (
        re.search(r"\blog\(", text)
        and re.search(r"\bclip\(|eps", text)
        and not re.search(r"\bexp\(|softmax|sigmoid|tanh|logit", text)
    ):
        kinds = ["chances", "real", "positive"]  # clipped, so that it would run for any number
    if re.search(r"\blog\(", text) and re.search(rf"\bclip\(\s*{name}\b", text):
        kinds = ["chances", "real", "positive"]
    if re.search(rf"\b{name}\s*(:|--?|–)[^\n]*probabilit", text):  # as it is documented
        kinds = ["chances", "positive", "real"]
    like_x = [Draw(world.x, kind) for kind in kinds]
    named = next((candidates for pattern, candidates in CALL if re.fullmatch(pattern, name)), [])
    if role == "x":
        perhaps = re.fullmatch(IDS, name) and re.search(rf"\[[^\]]*\b{name}\b|embed|vocab|one_?hot|take\(", text, re.I)
        ids = [Draw("N", "labels"), Draw("N T", "labels")] * bool(perhaps)
        named = [c for c in named if isinstance(c, (Draw, Make, int))]
        if re.fullmatch("w|theta|coef_?", name):  # of a penalty
            return [Draw("I"), *like_x]
        if re.fullmatch(BATCHES, name) or re.fullmatch(PLAIN_IDS, name):
            return [*named, *like_x]
        return [*like_x, *ids, *(named if len(name) > 1 else [])]
    if re.search(rf"\b{name}\s*(:|--?|–)[^\n]*boolean", text):
        return [Draw(shape, "boolean") for shape in (world.x, "N", "N 1")] + like_x
    if named:
        matrices = [Draw(shape) for shape in WEIGHTS if name in ("k", "m", "n")]
        return [*named, *like_x[:2], Draw(world.x, "mask"), Draw("N O"), Draw("N 1"), Draw("N"), *matrices]
    more = [Draw(shape) for shape in ["N O", "N M", "N 1", "N", *WEIGHTS]]
    return [*like_x, *more, Draw("N", "labels"), 0.5, 2]


def recurrent(name, candidates):
    """The same candidates, beside a state (N, M): W leads from x to it, U, Wh and Waa from one state to the next."""
    first = (
        ["M M", "M 4*M", "M 3*M"]
        if re.fullmatch(r"[UVR]\w*|\w*h\w*|\w*([a-z])\1|\w*rec\w*", name)
        else ["I M", "I 4*M", "I 3*M", "M M"]
    )
    first += ["M I+M", "I+M M", "4*M I+M", "I+M 4*M"]  # where [x, h] is one vector
    first = ["M", "4*M", "3*M"] if name[:1] in "bB" else first
    return [Draw(shape) for shape in first] + candidates if isinstance(candidates[0], Draw) else candidates


def roles(names):
    """Return {name: role} of the arguments of a call: the first that is no target is x."""
    sure = [name for name in names if SURELY_TARGETS.fullmatch(name)]
    maybe = sure or [name for name in names if TARGETS.fullmatch(name)]
    maybe = maybe if len(maybe) < len(names) else maybe[1:]
    others = [name for name in names if name not in maybe]
    data = [name for name in others if not is_weight(name, names)] or others
    first = next((name for name in data if re.fullmatch(DATA, name)), data[0] if data else None)
    return {name: "target" if name in maybe else "x" if name == first else "more" for name in names}


def targets(name, x, text):
    """Return candidates for a target: one-hot rows, which are numbers, chances and zeros and ones at once."""
    kinds = ["one-hot", "one-hot columns", "hard"]
    if re.search(r"[{(\[]\s*-\s*1\s*,|±\s*1|\+1|hinge|svm|perceptron", text, re.I):
        kinds.insert(0, "signs")
    if re.search(r"\baxis\s*=\s*0", text) and not re.search(r"axis\s*=\s*-?1|, 1,|\(1,|\(-1,", text):
        kinds.insert(0, "one-hot columns")
    labels = [Draw("N", "labels"), Draw("N T", "labels"), Draw("1 N", "labels")]
    column = rf"\b{name}(\.reshape\(\s*-\s*1\s*,\s*1\s*\)|\[:\s*,\s*(None|np\.newaxis)\s*\])"  # it has one axis, then
    dense = [Draw("N", kinds[0])] * bool(re.search(column, text))
    dense += [*(Draw(x, kind) for kind in kinds), Draw("N O", kinds[0]), Draw("O N", kinds[0])]
    rest = [Draw("N", kinds[0]), Draw("N 1", kinds[0]), Draw(x, "chances"), Draw(x), Draw("N"), Draw("N", "labels 2")]
    if re.search(r"\[\s*(np\.a)?range\(.*?\)\s*,|class indices|integer labels", text):
        return [*labels, *dense, *rest]
    return [*dense, *labels, *rest]
