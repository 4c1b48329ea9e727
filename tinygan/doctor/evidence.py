"""Question a wrong gradient: by what factor, for which entries, in another setting, made of which arrays?

a is the computed gradient, n the measured one, J the Jacobian d(out)/dx with n = J dout. N batch, I inputs, O outputs.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from fractions import Fraction
from functools import cached_property
from itertools import permutations

import numpy as np

from tinygan.doctor.arrays import is_gradient_name, parts_of
from tinygan.doctor.measure import measure
from tinygan.doctor.planning import adapter
from tinygan.doctor.sandbox import Stopped
from tinygan.doctor.source import own_classes
from tinygan.gradcheck import nudged, relative_error


class NoEvidence(Exception):
    """The question makes no sense here, or the check cannot be repeated that way."""


def same(p, q, tolerance=1e-6):
    """Equal but for the error of measuring, and not because both are zero."""
    return np.shape(p) == np.shape(q) and bool(np.any(q)) and relative_error(p, q) < tolerance


class Evidence:
    """One gradient in one pass, and whatever else one may want to know about it."""

    def __init__(self, report, m):
        self.report, self.m, self.subject = report, m, m.subject
        self.name, self.path, self.a, self.n, self.J, self.x = m.name, m.path, m.a, m.n, m.J, m.x
        self.right, self.is_loss = m.row.passed, m.subject.is_loss
        self.is_parameter = m.path[0] == "self" or len(m.path) > 1

    # ---- entries ----

    @cached_property
    def rest(self):
        """What is missing, n - a."""
        if self.a.shape != self.n.shape:
            raise NoEvidence
        return self.n - self.a

    @cached_property
    def off(self):
        """The entries that are wrong, a mask."""
        return np.abs(self.rest) > 1e-6 * max(np.abs(self.n).max(), 1e-300)

    @cached_property
    def out(self):
        """The output, if there is one array of it."""
        if len(self.subject.shapes) != 1:
            raise NoEvidence
        return self.m.out.reshape(self.subject.shapes[0])

    @property
    def dout(self):
        return self.m.dout.reshape(self.out.shape)

    @property
    def shapes(self):
        """ "shape (1, 3) where b has (3,)"."""
        return f"shape {self.a.shape} where {self.name} has {self.n.shape}"

    @property
    def side(self):
        """ "wrong for x > 6 or so": the wrong entries are those beyond a threshold; "" if they are not."""
        if self.off.all() or not self.off.any() or self.off.shape != self.x.shape:
            return ""
        if np.abs(self.rest[self.off]).min() < 1e-3 * np.abs(self.n).max():
            return ""  # no threshold, but an error that fades away
        for name, x in (("x >", self.x), ("x <", -self.x), ("|x| >", np.abs(self.x)), ("|x| <", -np.abs(self.x))):
            nearest, last = x[self.off].min(), x[~self.off].max()
            if nearest > last:
                threshold = 0.0 if nearest > 0 > last else last if abs(last) < abs(nearest) else nearest
                return f"wrong for {name} {threshold if '>' in name else -threshold:.3g} or so, right elsewhere"
        return ""

    def by(self, dout):
        """The true gradient for another dout."""
        return (self.J @ np.ravel(dout)).reshape(self.x.shape)

    def computed(self, dout):
        """What the code computes for another dout, as a vector."""
        found = self.subject.gradients(dout)[self.path]
        return np.zeros(self.x.size) if found is None or found.shape != self.x.shape else found.ravel()

    def masked(self, mask):
        """Is it the gradient of those outputs alone that the mask leaves each entry, or of all?"""
        part = ((self.J * mask) @ self.m.dout).reshape(self.x.shape)
        return not same(part, self.n) and same(self.a, part)

    def multiple(self, array, basis, axis):
        """Is an array a multiple of another, one number along this axis?"""
        along = (basis * array).sum(axis=axis, keepdims=True) / (basis * basis).sum(axis=axis, keepdims=True)
        return same(array, along * basis)

    def with_own_caches(self):
        """Is it right if each use of a part in forward keeps what its backward needs? Then say which part it is."""
        kinds = [k for k in own_classes(self.subject.target.module) if k is not self.subject.target.owner]
        kinds = [k for k in kinds if {"forward", "backward"} <= set(vars(k))]
        kept, own, used = {}, [(k, k.forward, k.backward) for k in kinds], []

        def watched(forward, backward):
            def keep(part, *args, **more):
                out = forward(part, *args, **more)
                kept.setdefault(id(part), []).append(dict(vars(part)))
                used.append(part)
                return out

            def take(part, *args, **more):
                vars(part).update(kept[id(part)].pop() if kept.get(id(part)) else {})
                return backward(part, *args, **more)

            return keep, take

        try:
            for kind, *pair in own:
                kind.forward, kind.backward = watched(*pair)
            found = self.computed(self.m.dout) if own and self.subject.thing is not None else self.a.ravel()
        finally:
            for kind, forward, backward in own:
                kind.forward, kind.backward = forward, backward
        names = {id(part): name for name, part in getattr(self.subject.thing, "__dict__", {}).items()}
        twice = [names[id(part)] for part in used if id(part) in names and sum(part is p for p in used) > 1]
        return bool(twice) and same(found.reshape(self.x.shape), self.n) and f"`{twice[0]}` runs more than once"

    # ---- the check repeated ----

    def again(self, **changes):
        """The same gradient when the check is repeated in another setting."""
        key = (self.subject.form, *sorted(changes.items()))
        if key not in self.report.again:
            try:
                subject = adapter(self.subject.form)(self.subject.plan, replace(self.subject.setting, **changes))
                self.report.again[key] = {m.path: m for m in measure(subject)}
            except Stopped:
                self.report.again[key] = {}
        if self.path not in self.report.again[key]:
            raise NoEvidence
        return Evidence(self.report, self.report.again[key][self.path])

    def larger(self, symbol):
        """The same at another length of an axis."""
        size = self.subject.sizes[symbol]
        return self.again(sizes=((symbol, 2 * size + 1 if symbol == "N" else size + 2),))

    def of_sample(self, which):
        """The true gradient of a parameter if there is but one sample, the first or the last."""
        size, args = self.subject.sizes["N"], self.subject.args
        part = slice(0, 1) if which == "first" else slice(size - 1, size)
        if not self.is_parameter or size < 2:
            raise NoEvidence
        alone = {}
        for name, value in args.items():
            shape = (len(value),) if isinstance(value, list) else getattr(value, "shape", ())
            sliced = (slice(None),) * shape.index(size) + (part,) if size in shape and name != self.path[0] else ()
            alone[name] = value[part] if isinstance(value, list) and sliced else value[sliced] if sliced else value
        try:
            self.subject.args = alone
            return self.measured_at(self.x)
        finally:
            self.subject.args = args

    def measured_at(self, place, summed=True):
        """The slopes at another place: of the sum of the outputs, or (not ``summed``) each of its own output."""
        slot = self.subject.slots[self.path]
        old, slot[...] = slot.copy(), place
        try:
            h = 1e-5 * np.maximum(1, np.abs(slot))
            steps = [
                nudged(self.subject.out, slot, i, h[i]) - nudged(self.subject.out, slot, i, -h[i])
                for i in np.ndindex(slot.shape)
            ]
            steps = [step.sum() if summed else step[k] for k, step in enumerate(steps)]
            return np.reshape(steps, slot.shape) / (2 * h)
        except Stopped:
            raise NoEvidence from None
        finally:
            slot[...] = old

    def if_symmetric(self):
        """The same gradient where every square matrix, but for this array itself, is symmetric."""
        subject, values = self.subject, self.subject.values
        squares = {p: a for p, a in values.items() if p != self.path and a.ndim > 1 and a.shape[-1] == a.shape[-2] > 1}
        if not squares:
            raise NoEvidence
        try:
            subject.values = values | {p: (a + np.swapaxes(a, -1, -2)) / 2 for p, a in squares.items()}
            return Evidence(self.report, next(m for m in measure(subject) if m.path == self.path))
        finally:
            subject.values = values
            subject.renew()

    def second_difference(self, h):
        """(f(x + h) - 2 f(x) + f(x - h)) / h² of a loss, entry by entry."""
        slot, f = self.subject.slots[self.path], self.subject.out
        values = [
            sum(w * nudged(f, slot, i, k * h)[0] for k, w in ((1, 1), (0, -2), (-1, 1))) for i in np.ndindex(slot.shape)
        ]
        return np.reshape(values, slot.shape) / h**2

    def blind_to_rounding(self, alone=False):
        """Return the type to which all may be rounded without a change of output, or (not ``alone``) of gradient."""
        old = {path: array.copy() for path, array in self.subject.slots.items()}

        def at(change):
            for array in self.subject.slots.values():
                array[...] = change(array)
            try:
                return self.subject.gradients(self.m.dout)[self.path], self.subject.out()
            finally:
                for path, array in self.subject.slots.items():
                    array[...] = old[path]

        gradient, out = at(lambda array: 1.01 * array)
        constant = np.array_equal(gradient, self.a)  # the gradient of a bias, say
        if np.array_equal(out, self.m.out):  # nothing is felt here, rounded or not
            return ""
        for kind in (np.float32, np.float16):
            gradient, out = at(lambda array, kind=kind: array.astype(kind))
            kept = not constant and gradient is not None and not alone and np.array_equal(gradient, self.a)
            if (kept or np.array_equal(out, self.m.out)) and any(np.any(o != o.astype(kind)) for o in old.values()):
                return kind.__name__
        return ""

    # ---- factors ----

    @cached_property
    def ratio(self):
        """c where a = c n, otherwise nan."""
        c = np.sum(self.a * self.n) / np.sum(self.n * self.n) if np.any(self.n) and self.rest is not None else np.nan
        return c if same(self.a, c * self.n) else np.nan

    @property
    def ratios(self):
        """The same c of every wrong gradient of this pass."""
        found = [m for m in self.report.measured if m.subject is self.subject and not m.row.passed]
        return [Evidence(self.report, m).ratio for m in found if m.a.shape == m.n.shape]

    def grows_with_batch(self, power):
        """Is the factor proportional to this power of N?"""
        try:
            sizes = self.larger("N").subject.sizes["N"] / self.subject.sizes["N"]
        except NoEvidence:  # the batch has one length; are other numbers multiplied alike?
            other = self.again(seed=self.subject.setting.seed + 1)
            return power == 0 and bool(np.isclose(other.ratio, self.ratio, rtol=1e-5))
        return bool(np.isclose(self.larger("N").ratio / self.ratio, sizes**power, rtol=1e-5))

    @cached_property
    def fixed_batch(self):
        """ "N/64", where a number stands in the place of the batch's length."""
        number = self.subject.sizes["N"] / abs(self.ratio)
        return f"N/{number:.6g}" if self.grows_with_batch(1) and number > 1.5 else ""

    @cached_property
    def factor(self):
        """ "×0.2 = 1/N": the ratio, and what it is made of, if that can be seen."""
        sign, size, found = "-" if self.ratio < 0 else "", abs(self.ratio), []
        for letters in ("N", "O", "I", "N·O", "N·I", "T", "M"):
            try:
                both = [
                    (abs(e.ratio), np.prod([e.subject.sizes[s] for s in letters.split("·")]))
                    for e in (self, self.larger(letters[0]))
                ]
            except NoEvidence:
                continue
            found += [letters] * all(np.isclose(c, s, rtol=1e-5) for c, s in both)
            found += [f"1/({letters})" if "·" in letters else f"1/{letters}"] * all(
                np.isclose(c, 1 / s, rtol=1e-5) for c, s in both
            )
        found += [self.fixed_batch] if self.fixed_batch else []
        for name, s in self.scalars.items():
            known = {name: s, f"1/{name}": 1 / s, f"1 - {name}": 1 - s, f"{name}²": s * s}
            known |= {f"√{name}": s**0.5, f"1/√{name}": s**-0.5} if s > 0 else {}
            found += [text for text, v in known.items() if abs(v) not in (0, 1) and np.isclose(size, abs(v), rtol=1e-6)]
        simple = Fraction(size).limit_denominator(12)
        if not found and simple.denominator > 1 and np.isclose(size, float(simple), rtol=1e-6):
            found = [str(simple)]
        return f"×{self.ratio:.6g}" + "".join(f" = {sign}{text}" for text in dict.fromkeys(found[:3]))

    @cached_property
    def scalars(self):
        """{name: number} of the settings of the code: constants of the file, attributes of the object, defaults."""
        found = {}
        for step in filter(None, (*self.subject.value, self.subject.form.gradient)):
            function = self.subject.function(step)
            function = getattr(function, "__func__", function)
            code = getattr(function, "__code__", None)
            names = code.co_varnames[: code.co_argcount] if code else ()
            found |= {k: v for k, v in vars(self.subject.target.module).items() if code and k in code.co_names}
            found |= dict(zip(names[::-1], (getattr(function, "__defaults__", None) or ())[::-1], strict=False))
            found |= getattr(function, "__kwdefaults__", None) or {}
        found |= getattr(self.subject.thing, "__dict__", {})
        plain = {k: v for k, v in found.items() if isinstance(v, (int, float, np.ndarray)) and np.size(v) == 1}
        return {k: float(np.ravel(v)[0]) for k, v in plain.items() if not isinstance(v, bool) and np.ravel(v)[0]}

    # ---- slopes ----

    @cached_property
    def slopes(self):
        """(used, true) of a function that acts entry by entry: a/dout, and its slope; (a, n) for a loss."""
        if self.is_loss:
            return self.a, self.n + 0 * self.rest
        if self.x.size != self.m.out.size or self.is_parameter or np.any(self.J - np.diag(np.diag(self.J))):
            raise NoEvidence
        return np.round(self.a / self.m.dout.reshape(self.rest.shape), 9), np.diag(self.J).reshape(self.x.shape)

    @cached_property
    def entrywise(self):
        """Is it a function of one array that acts entry by entry?"""
        try:
            alone = sum(path[0] != "self" for path in self.subject.slots) == 1
            return alone and not self.is_loss and self.slopes is not None and self.out.shape == self.x.shape
        except NoEvidence:
            return False

    def slope_at(self, place):
        """The slope of such a function at another x."""
        return self.measured_at(place, summed=False)

    # ---- ingredients ----

    @cached_property
    def ingredients(self):
        """{name: array} of what backward had in its hands: its own variables, what forward saved, the parameters."""
        function = self.subject.function(self.subject.form.gradient or self.subject.value[-1])
        code, own, before = getattr(getattr(function, "__func__", function), "__code__", None), {}, sys.getprofile()

        def watch(frame, event, _):
            if event == "return" and frame.f_code is code:
                own.update({k: v for k, v in frame.f_locals.items() if k != "self"})

        sys.setprofile(watch)
        try:
            self.subject.gradients(self.m.dout)
        except Stopped:
            pass
        finally:
            sys.setprofile(before)
        saved = {f"self.{k}": v for k, v in getattr(self.subject.thing, "__dict__", {}).items()}
        kept = {}
        for name, value in {**saved, **self.subject.args, **own}.items():
            for path, part in parts_of(value):
                made = name in own or name.startswith("self.") and is_gradient_name(name[5:])
                result = made and any(same(array, part) for array in (self.a, self.n))
                known = any(array.shape == part.shape and np.array_equal(array, part) for array in kept.values())
                if (
                    part.dtype.kind == "f"
                    and 0 < part.ndim < 4
                    and not known
                    and not (result and name not in self.subject.args)
                ):
                    kept[name + "".join(f"[{p!r}]" for p in path if not isinstance(value, np.ndarray))] = part
        return dict(list(kept.items())[-14:])

    def product(self, wanted):
        """Return how an array is made of one or two of the ingredients: "dzt @ Wt.T", or ""."""
        flat = {}
        for name, array in self.ingredients.items():
            flat[name] = array
            if array.ndim > 1:
                flat[f"{name}.T" if array.ndim == 2 else f"{name}.swapaxes(-1, -2)"] = array.swapaxes(-1, -2)
        made = [(name, lambda array=array: array) for name, array in flat.items()]
        for (p, left), (q, right) in permutations(flat.items(), 2):
            fits = left.ndim > 1 and left.shape[-1] == right.shape[-2 if right.ndim > 1 else 0]
            if fits and (left.ndim == 2 or right.ndim in (2, left.ndim)):
                made.append((f"{p} @ {q}", lambda left=left, right=right: left @ right))
            if p < q and right.shape in (left.shape, left.shape[1:]) or left.shape == right.shape[1:]:
                made.append((f"{p} * {q}", lambda left=left, right=right: left * right))
        for name, make in made:
            try:
                array = make()
            except ValueError:
                continue
            for text, value in (
                (name, array),
                *((f"({name}).sum(axis={k})", array.sum(axis=k)) for k in range(array.ndim)),
            ):
                if value.shape == wanted.shape and (same(value, wanted) or same(-value, wanted)):
                    return text if same(value, wanted) else f"-({text})"
        return ""
