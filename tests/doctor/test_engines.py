"""The operations of an engine in which every number knows its gradient are checked one by one, and mended."""

from __future__ import annotations

import pytest
from planted_mistakes import HEAD, run

from tinygan.doctor import Verdict, examine, targets

NUMBERS = """
class Value:
    def __init__(self, data, _children=(), _op=""):
        self.data, self.grad = data, 0
        self._backward, self._prev = lambda: None, set(_children)

    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data + other.data, (self, other), "+")

        def _backward():
            self.grad += out.grad
            other.grad += out.grad

        out._backward = _backward
        return out

    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data * other.data, (self, other), "*")

        def _backward():
            self.grad += other.data * out.grad
            other.grad += self.data * out.grad

        out._backward = _backward
        return out

    def __pow__(self, other):
        out = Value(self.data**other, (self,), "**")

        def _backward():
            self.grad += other * self.data ** (other - 1) * out.grad

        out._backward = _backward
        return out

    def tanh(self):
        t = np.tanh(self.data)
        out = Value(t, (self,), "tanh")

        def _backward():
            self.grad += (1 - t**2) * out.grad

        out._backward = _backward
        return out

    def backward(self):
        topo, visited = [], set()

        def build(v):
            if v not in visited:
                visited.add(v)
                for child in v._prev:
                    build(child)
                topo.append(v)

        build(self)
        self.grad = 1
        for v in reversed(topo):
            v._backward()
"""
ARRAYS = """
class Tensor:
    def __init__(self, value, parents=()):
        self.value = np.asarray(value, dtype=float)
        self.grad, self.parents, self.pull = np.zeros_like(self.value), parents, None

    def __add__(self, other):
        out = Tensor(self.value + other.value, (self, other))

        def pull():
            self.grad = self.grad + out.grad
            other.grad = other.grad + out.grad

        out.pull = pull
        return out

    def __mul__(self, other):
        out = Tensor(self.value * other.value, (self, other))

        def pull():
            self.grad = self.grad + out.grad * other.value
            other.grad = other.grad + out.grad * self.value

        out.pull = pull
        return out

    def __matmul__(self, other):
        out = Tensor(self.value @ other.value, (self, other))

        def pull():
            self.grad = self.grad + out.grad @ other.value.T
            other.grad = other.grad + self.value.T @ out.grad

        out.pull = pull
        return out

    def exp(self):
        out = Tensor(np.exp(self.value), (self,))

        def pull():
            self.grad = self.grad + out.grad * out.value

        out.pull = pull
        return out

    def backward(self):
        order, seen = [], set()

        def visit(node):
            if id(node) not in seen:
                seen.add(id(node))
                for parent in node.parents:
                    visit(parent)
                order.append(node)

        visit(self)
        self.grad = np.ones_like(self.value)
        for node in reversed(order):
            if node.pull is not None:
                node.pull()
"""
OPERATIONS = {
    NUMBERS: {"Value.__add__", "Value.__mul__", "Value.__pow__", "Value.tanh"},
    ARRAYS: {"Tensor.__add__", "Tensor.__mul__", "Tensor.__matmul__", "Tensor.exp"},
}
WRONG = [  # (source, the operation, what is replaced, by what, what mends it)
    (NUMBERS, "tanh", "+= (1 - t**2) * out.grad", "= (1 - t**2) * out.grad", "self.grad += (1 - t ** 2) * out.grad"),
    (NUMBERS, "tanh", "(1 - t**2)", "(1 - t)", "(1 - t ** 2) * out.grad` in place"),
    (NUMBERS, "__add__", "other.grad += out.grad", "other.grad = out.grad", "other.grad += out.grad` in place"),
    (NUMBERS, "__pow__", "(other - 1)", "other", "/ self.data` in place"),
    (ARRAYS, "__matmul__", "other.grad + self.value.T @", "self.value.T @", "other.grad += self.value.T @ out.grad"),
    (ARRAYS, "__matmul__", "@ other.value.T", "@ other.value", "out.grad @ other.value.T` in place"),
    (ARRAYS, "exp", "out.grad * out.value", "out.grad * self.value", "out.grad * out.value` in place"),
]
WITHOUT = [  # (source, the operation, what is replaced, by what): what comes from above is forgotten
    (NUMBERS, "tanh", "(1 - t**2) * out.grad", "1 - t**2"),
    (NUMBERS, "__mul__", "self.grad += other.data * out.grad", "self.grad += other.data"),
    (ARRAYS, "exp", "out.grad * out.value", "out.value"),
]


def reports(source):
    """Return {name of an operation: Report} of the engine in a source."""
    return {name: examine(target) for name, target in targets(run("mine.py", HEAD + source)).items()}


def wrong(source, old, new):
    """Return {name: Report} of the operations that are wrong as soon as something is replaced."""
    assert source.count(old) == 1
    return {n: r for n, r in reports(source.replace(old, new)).items() if r.verdict is Verdict.WRONG}


@pytest.mark.parametrize("source", OPERATIONS, ids=["numbers", "arrays"])
def test_each_operation_of_a_right_engine_is_right(source):
    found = reports(source)
    assert found.keys() == OPERATIONS[source]
    assert all(report.verdict is Verdict.RIGHT and report.rows for report in found.values())


@pytest.mark.parametrize("source, operation, old, new, mended", WRONG)
def test_the_operation_that_is_wrong_is_found_alone_and_mended(source, operation, old, new, mended):
    ((name, report),) = wrong(source, old, new).items()
    assert name.endswith("." + operation) and mended in "".join(map(str, report.findings))


@pytest.mark.parametrize("source, operation, old, new", WITHOUT)
def test_an_operation_that_forgets_what_comes_from_above_is_wrong(source, operation, old, new):
    assert [name.split(".")[1] for name in wrong(source, old, new)] == [operation]


def test_a_class_of_numbers_without_gradients_is_no_engine():
    source = NUMBERS.replace("self.data, self.grad = data, 0", "self.data = data").replace(".grad", ".slope")
    assert not any("." in name for name in reports(source))


GRAPH = """
class Node:
    def __init__(self, value, parents=(), slopes=()):
        self.value, self.grad, self.parents, self.slopes = value, 0.0, parents, slopes

    def __add__(self, other):
        return Node(self.value + other.value, (self, other), (1.0, 1.0))

    def __mul__(self, other):
        return Node(self.value * other.value, (self, other), (other.value, self.value))


def sin(a):
    return Node(np.sin(a.value), (a,), (np.cos(a.value),))


def backward(root):
    order, seen = [], set()

    def visit(node):
        if id(node) not in seen:
            seen.add(id(node))
            for parent in node.parents:
                visit(parent)
            order.append(node)

    visit(root)
    root.grad = 1.0
    for node in reversed(order):
        for parent, slope in zip(node.parents, node.slopes):
            parent.grad = parent.grad + slope * node.grad
"""


def test_an_engine_whose_way_back_is_a_function_is_checked_with_its_functions():
    reports = {name: examine(target) for name, target in targets(run("mine.py", HEAD + GRAPH)).items()}
    assert set(reports) == {"sin", "Node.__add__", "Node.__mul__"}
    assert all(report.verdict is Verdict.RIGHT for report in reports.values())
    wrong = targets(run("mine.py", HEAD + GRAPH.replace("np.cos(a.value)", "np.sin(a.value)")))
    assert {name for name, target in wrong.items() if examine(target).verdict is Verdict.WRONG} == {"sin"}


def test_a_way_back_from_the_leaves_is_turned_around():
    found = targets(run("mine.py", HEAD + GRAPH.replace("reversed(order)", "order")))
    assert "turned around" in str(examine(found["Node.__mul__"]).findings[0])


TENSOR = """
class Tensor:
    def __init__(self, data, parents=()):
        self.data, self.parents = np.array(data, dtype=float), parents
        self.grad, self._backward = np.zeros_like(self.data), lambda: None

    def __add__(self, other):  # a row is broadcast
        out = Tensor(self.data + other.data, (self, other))

        def _backward():
            self.grad = self.grad + out.grad
            rows = other.data.shape != out.grad.shape
            other.grad = other.grad + (out.grad.sum(axis=0, keepdims=True) if rows else out.grad)

        out._backward = _backward
        return out

    def backward(self):
        order, seen = [], set()

        def build(v):
            if id(v) not in seen:
                seen.add(id(v))
                for parent in v.parents:
                    build(parent)
                order.append(v)

        build(self)
        self.grad = np.ones_like(self.data)
        for v in reversed(order):
            v._backward()
"""


@pytest.mark.parametrize("meant", [True, False])
def test_a_row_that_is_broadcast_is_summed_if_the_file_means_it_to_be(meant):
    wrong = TENSOR.replace("out.grad.sum(axis=0, keepdims=True) if rows else out.grad", "out.grad")
    for source, verdict in ((TENSOR, Verdict.RIGHT), (wrong, Verdict.WRONG)):
        source = source if meant else source.replace("  # a row is broadcast", "")
        reports = {name: examine(target) for name, target in targets(run("mine.py", HEAD + source)).items()}
        assert set(reports) == {"Tensor.__add__", *["Tensor.__add__ with a row"] * meant}
        assert reports["Tensor.__add__"].verdict is Verdict.RIGHT
        assert not meant or reports["Tensor.__add__ with a row"].verdict is verdict
