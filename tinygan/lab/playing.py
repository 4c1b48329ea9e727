"""The lab itself: the runs on the table, the thread that plays them, and what a browser can ask for.

Every public method named ``do_...`` is a command: its arguments come from a page, and it returns what can
be written as JSON, or raises ValueError, one line that says what is wrong.
"""

from __future__ import annotations

import inspect
import json
import math
import string
import threading
import time

import numpy as np

from tinygan.data import Dataset
from tinygan.lab import slow
from tinygan.lab.challenges import CHALLENGES
from tinygan.lab.looking import VIEWS, pack, sample_of
from tinygan.lab.session import BRANCHES, CHOICES, LIVE, PLAYERS, Branch, Setting, read, text_of
from tinygan.recipes import OneOf
from tinygan.training import NumericalError

PERIOD = 1 / 25  # seconds from picture to picture
ALONE = 2.0  # seconds without any page, after which nothing is computed any more
MOST_STEPS = 100_000  # of one command
REPLAYED = 16  # pictures of a saved replay, besides those of the first steps


class Lab:
    """Runs that are played, and everything that is pushed to the pages.

    source   the ``session.Source`` to begin with
    changes  [(step, name, value), ...] of the first run
    load     load(name) returns the Source of another dataset
    """

    def __init__(self, source, changes=(), load=None):
        self.load, self.lock, self.news = load, threading.RLock(), threading.Condition()
        self.branches = {}
        self.name = self.other = ""  # of the run that commands are for, and of the one beside it
        self.playing, self.speed, self.view = False, 0.0, {"kind": "fixed"}
        self.said, self.measured = "", {}
        self.challenge = None  # (name, choice, answer or None) while there is one
        self.hurry = threading.Event()  # set where another speed is asked for
        self.pages, self.alone_since = 0, time.monotonic()
        self.version, self.message = 0, "{}"
        self.open(source, changes)
        threading.Thread(target=self.play, daemon=True).start()

    # ---- the runs on the table -----------------------------------------------------------------

    def open(self, source, changes=()):
        """Put a new run on the table and show it; changes are (step, name, value)."""
        first = Setting(source.state[1]["step"] if source.state else 0, source.config)
        settings = with_changes(first, changes, source.state is None)
        self.put(Branch(self.free_name(), source, settings, source.state))

    def put(self, branch):
        """Show a run, beside the one that was shown before if they can be compared."""
        before = self.branches.get(self.name)
        self.branches[branch.name] = branch
        self.other = self.name if before and before.source.dataset is branch.source.dataset else ""
        self.name = branch.name

    def free_name(self):
        """Return the letter of the next run; ValueError where the table is full."""
        free = [letter for letter in string.ascii_uppercase[:BRANCHES] if letter not in self.branches]
        if not free:
            raise ValueError(f"{BRANCHES} runs are open: close one of them first")
        return free[0]

    @property
    def branch(self):
        """The run that commands are for."""
        return self.branches[self.name]

    def shown(self):
        """Return the runs that are on the screen."""
        return [self.branches[name] for name in (self.name, self.other) if name]

    # ---- time ----------------------------------------------------------------------------------

    def play(self):
        """Take steps while it plays, and push pictures; ends with the process."""
        while True:
            start = time.monotonic()
            with self.lock:
                if not self.pages and start - self.alone_since > ALONE:
                    self.playing = False
                if self.playing:
                    try:
                        self.play_until(start + 0.9 * PERIOD)
                        self.publish()
                    except Exception as error:  # the thread must live on, and the page will say it
                        self.playing, self.said = False, f"{type(error).__name__}: {error}"
            pause = PERIOD if not self.speed else max(PERIOD, 1 / self.speed)
            self.hurry.wait(max(0.002, start + pause - time.monotonic()))  # others need the lock, too
            self.hurry.clear()

    def play_until(self, deadline):
        """Take as many steps as the speed asks for; 0 is as many as there is time for."""
        wanted = math.ceil(self.speed * PERIOD) if self.speed else MOST_STEPS
        for _ in range(wanted):
            if not self.advance():
                self.playing = False
                break
            if time.monotonic() > deadline:
                break

    def advance(self):
        """Take a step in every run that is shown; returns False where none can, or a challenge is at its end."""
        steps = [branch.step for branch in self.shown()]
        try:
            moved = [branch.advance() for branch in self.shown() if branch.step == min(steps)]
        except NumericalError as error:
            self.said = f"{error.fault}; {error.advice}. Shown is the step before."
            self.judge(self.pending())
            return False
        except ValueError as error:  # a change on the way that no run can have
            self.said = str(error)
            return False
        pending = self.pending()
        if pending and all(each.step >= CHALLENGES[self.challenge["name"]].until for each in pending):
            self.judge(pending)
            return False
        if not any(moved):
            self.said = f"Step {min(steps):,} is the end of this run: with a larger number of steps it goes on."
        return any(moved)

    def pending(self):
        """Return the runs of a challenge that is not answered yet, [] where there is none or one was closed."""
        if not self.challenge or "right" in self.challenge:
            return []
        return [self.branches[name] for name in self.challenge["runs"] if name in self.branches]

    def judge(self, branches):
        """Answer the challenge from its runs."""
        if branches and len(branches) == len(self.challenge["runs"]):
            right, numbers = CHALLENGES[self.challenge["name"]].judge(branches)
            self.challenge |= {"right": right, "numbers": numbers}

    # ---- what is pushed ------------------------------------------------------------------------

    def publish(self):
        """Make the message that every page gets next."""
        message = json.dumps(plain(self.state()))
        with self.news:
            self.version, self.message = self.version + 1, message
            self.news.notify_all()

    def state(self):
        """Return all that a page shows and that can change."""
        return {
            "playing": self.playing, "speed": self.speed, "name": self.name, "other": self.other, "said": self.said,
            "view": self.view, "challenge": self.challenge,
            "runs": [
                {"name": each.name, "step": each.step, "last": each.last, "data": each.source.dataset.name}
                for each in self.branches.values()
            ],
            "shown": [self.described(branch) for branch in self.shown()],
        }  # fmt: skip

    def described(self, branch):
        """Return a run with its picture, its losses and its choices."""
        training, setting = branch.training, branch.setting()
        steps, means = branch.curve()
        rows = [[r.step, r.quality, r.captured] for r in training.history if math.isfinite(r.quality)]
        return {
            "name": branch.name, "id": branch.id, "step": branch.step, "first": branch.first, "last": branch.last,
            "end": training.total_steps, "players": setting.players,
            "picture": self.picture(branch),
            "losses": {"steps": steps.tolist(), "means": np.round(means, 4).tolist()},
            "measured": rows + ([[branch.step, *self.measure(branch)]] if not training.images else []),
            "landmarks": training.gan.objective.equilibrium, "floor": branch.source.floor,
            "choices": {name: text_of(getattr(setting.config, name)) for name in CHOICES},
            "changes": [[step, name, text_of(value)] for step, name, value in branch.changes()],
            "command": branch.command(),
        }  # fmt: skip

    def picture(self, branch, quick=False):
        """Return the picture of a run; the nearest images take long, so not while it plays or where it is ``quick``."""
        is_late = self.view["kind"] == "nearest" and (self.playing or quick)
        return branch.eye().picture(branch.arrays(), {} if is_late else self.view, branch.source.neighbors)

    def measure(self, branch):
        """Return (quality, captured) of points as they are now, measured at most twice a second."""
        if not branch.source.measure:
            return math.nan, math.nan
        known = self.measured.get(branch.name)
        if not known or (known[1] != branch.step and time.monotonic() - known[0] > (0.5 if self.playing else 0)):
            known = time.monotonic(), branch.step, branch.source.measure(branch.training.generate)
            self.measured[branch.name] = known
        return known[2]

    def arrived(self):
        """Count a page."""
        with self.lock:
            self.pages += 1

    def left(self):
        """Count a page that was closed."""
        with self.lock:
            self.pages, self.alone_since = self.pages - 1, time.monotonic()

    # ---- commands ------------------------------------------------------------------------------

    def do(self, command, arguments):
        """Run a command of a page; ValueError where it is none, or cannot be done."""
        method = getattr(self, f"do_{command}", None)
        if method is None:
            raise ValueError(f"{command!r:.40}: there is no such command")
        try:
            inspect.signature(method).bind(**arguments)
        except TypeError as error:
            raise ValueError(f"{command}: {error}") from None
        if command == "data":
            self.loaded(arguments["name"])  # it may take long, and the others go on meanwhile
        with self.lock:
            self.said = ""
            try:
                answer = method(**arguments)
            except NumericalError as error:
                self.said, answer = f"{error.fault}; {error.advice}", None
            if command not in ("hello", "about", "at", "weight", "layers"):
                self.publish()
            return plain(answer or {})

    def loaded(self, name):
        """Return the Source of other data; ValueError where there are none of this name."""
        if self.load is None or not isinstance(name, str):
            raise ValueError(f"{name!r:.40}: there are no such data here")
        return self.load(name)

    def do_hello(self):
        """Return what never changes: the choices and what they may be, the challenges."""
        return {
            "choices": [described_choice(each) for each in CHOICES.values()],
            "players": PLAYERS,
            "views": VIEWS,
            "challenges": {
                name: {
                    "title": c.title,
                    "lesson": c.lesson,
                    "question": c.question,
                    "choices": c.choices,
                    "until": c.until,
                }
                for name, c in CHALLENGES.items()
            },
        }

    def do_about(self, name):
        """Return the data of a run, and the box in which they are drawn."""
        branch = self.chosen(name)
        dataset, eye = branch.source.dataset, branch.eye()
        about = {
            "id": branch.id,
            "data": dataset.name,
            "shape": dataset.shape,
            "weights": list_of_weights(branch.training.gan),
        }
        if not dataset.is_image:
            about |= {"box": eye.box, "real": pack(sample_of(dataset.x, 600))}
        return about

    def chosen(self, name):
        """Return the run of this letter; ValueError where there is none."""
        if name not in self.branches:
            raise ValueError(f"{name!r:.20}: there is no such run")
        return self.branches[name]

    def do_play(self, speed=0):
        """Play, at so many steps a second; 0 is as fast as possible."""
        self.playing, self.speed = True, number(speed, "speed", 0, 1e6)
        self.hurry.set()

    def do_pause(self):
        """Stop playing."""
        self.playing = False

    def do_step(self, n=1, players=None):
        """Take n steps; of one player alone if it is named."""
        self.playing = False
        steps = int(number(n, "n", 1, MOST_STEPS))
        if players is None:
            for _ in range(steps):
                if not self.advance():
                    break
            return
        before = self.branch.setting().players
        self.change("players", players)
        for _ in range(steps):
            self.branch.advance()
        self.change("players", before)

    def do_goto(self, step):
        """Go to a step that has been."""
        self.playing = False
        step = int(number(step, "step", 0, 1e12))
        for branch in self.shown():
            branch.goto(step)

    def do_slow(self):
        """Take one step and return it line by line, with the sources and three pictures."""
        self.playing = False
        branch = self.branch
        return slow.watch(branch.advance, lambda: self.picture(branch, quick=True))

    def do_change(self, name, text):
        """Change a choice from here on; in a run of its own where the past would be another."""
        self.change(name, read(name, text))

    def change(self, name, value):
        branch = self.branch
        if name in LIVE or name == "players":
            branch.setting().changed(branch.step, name, value)  # or it is refused, and nothing is branched
            if branch.step < branch.last:
                self.put(branch.branch(self.free_name()))
            self.branch.change(name, value)
            return
        if branch.source.state:
            raise ValueError(f"{name}: the networks and the random numbers of a trained run are settled")
        setting = branch.settings[0].changed(0, name, value)
        fresh = Branch(branch.name if branch.last == 0 else self.free_name(), branch.source, [setting])
        if branch.last == 0:
            self.branches[branch.name] = fresh
        else:
            self.put(fresh)

    def do_branch(self):
        """Put a second run beside this one, with the same past."""
        self.put(self.branch.branch(self.free_name()))

    def do_show(self, name):
        """Show a run."""
        self.chosen(name)
        self.other = "" if self.other == name else self.other
        self.name = name

    def do_compare(self, name):
        """Show a run beside the first one, at the same step where both have been there; "" shows one alone."""
        if name and (
            self.chosen(name) is self.branch
            or self.chosen(name).source.dataset.shape != self.branch.source.dataset.shape
        ):
            raise ValueError(f"{name}: choose another run, of data of the same kind")
        self.other = name
        if name:
            self.branches[name].goto(self.branch.step)

    def do_close(self, name):
        """Take a run from the table."""
        self.chosen(name)
        if len(self.branches) == 1:
            raise ValueError("this is the only run: there must be one")
        del self.branches[name]
        self.measured.pop(name, None)
        self.other = "" if self.other == name else self.other
        if self.name == name:
            self.name, self.other = self.other or next(iter(self.branches)), ""

    def do_data(self, name):
        """Begin a run on other data."""
        self.playing = False
        self.open(self.loaded(name))

    def do_draw(self, points):
        """Begin a run on points that were drawn, [[x, y], ...]."""
        x = np.array(points, np.float32).reshape(-1, 2) if points else np.zeros((0, 2))
        if not 10 <= len(x) <= 20_000 or not np.isfinite(x).all() or not np.ptp(x) > 0:
            raise ValueError("draw: between 10 and 20,000 points are needed, not all in one place")
        self.playing = False
        source = self.branch.source if not self.branch.training.images else self.loaded("ring")
        many = x[np.arange(max(len(x), 5000)) % len(x)]
        many = many + np.random.default_rng(0).normal(0, 0.02, many.shape).astype(np.float32)
        drawn = source._replace(dataset=Dataset("drawn", many, None, (2,)), words="", measure=None, state=None)
        drawn = drawn._replace(config=self.branch.setting().config) if source is self.branch.source else drawn
        self.open(drawn._replace(floor=(math.nan, math.nan)))

    def do_view(self, kind, direction=0):
        """Choose what is shown of a generator of images."""
        if kind not in VIEWS:
            raise ValueError(f"view: must be one of {', '.join(VIEWS)}")
        self.view = {"kind": kind, "direction": int(number(direction, "direction", 0, 1e7))}

    def do_at(self, x, y):
        """Return the numbers at a point, for every run that is shown."""
        x, y = number(x, "x", -1e6, 1e6), number(y, "y", -1e6, 1e6)
        return {
            branch.name: branch.eye().at(branch.arrays(), x, y) for branch in self.shown() if not branch.training.images
        }

    def do_weight(self, player, name, index=0):
        """Return a weight, its derivative, and the same measured."""
        return self.branch.eye().weight(self.branch.arrays(), player, name, int(number(index, "index", 0, 1e9)))

    def do_layers(self):
        """Return the histograms of every layer."""
        return self.branch.eye().layers(self.branch.arrays())

    def do_challenge(self, name, choice):
        """Begin the runs of a challenge; the answer is pushed when they are done."""
        if name not in CHALLENGES:
            raise ValueError(f"{name!r:.40}: there is no such challenge")
        asked = CHALLENGES[name]
        choice = int(number(choice, "choice", 0, len(asked.choices) - 1))
        kept = {letter: each for letter, each in self.branches.items() if not each.of_challenge}
        if len(kept) + len(asked.runs) > BRANCHES:
            raise ValueError(f"this challenge takes {len(asked.runs)} of {BRANCHES} runs: close some first")
        source, runs = self.loaded("ring"), []
        self.branches, self.name, self.other = kept, "", ""
        for changes in asked.runs:
            self.open(
                source, [(step, n, relative(value, getattr(source.config, n, None))) for step, n, value in changes]
            )
            self.branch.of_challenge = True
            runs.append(self.name)
        self.challenge = {"name": name, "choice": choice, "runs": runs}
        self.playing, self.speed = True, 0.0

    def replay(self):
        """Return what is needed to scrub through the shown runs without Python."""
        with self.lock:
            runs = []
            for branch in self.shown():
                here, moments = branch.step, []
                for step in moments_of(branch):
                    branch.goto(step)
                    moments.append({"step": step, "picture": self.picture(branch, quick=True)})
                branch.goto(here)
                runs.append({"about": self.do_about(branch.name), "end": self.described(branch), "moments": moments})
            return plain({"hello": self.do_hello(), "state": self.state() | {"shown": []}, "runs": runs})


def moments_of(branch):
    """Return the steps of a replay: close together at the beginning, then evenly, up to where the run is."""
    early = [branch.first + 2**k for k in range(6)]
    later = sorted(step for step in branch.snapshots if step < branch.step)
    later = [later[i] for i in np.unique(np.linspace(0, len(later) - 1, REPLAYED).astype(int))] if later else []
    return sorted({step for step in early if step < branch.step} | {*later, branch.step})


def with_changes(first, changes, fresh=True):
    """Return the Settings that changes, (step, name, value), make of a first one; ValueError where one cannot be.

    What is not LIVE can be changed only at the beginning of a ``fresh`` run.
    """
    settings = [first]
    for step, name, value in sorted(changes, key=lambda change: change[0]):
        begins = fresh and step == first.step
        if step < first.step or not (begins or name in (*LIVE, "players")):
            raise ValueError(f"{name}: cannot be changed at step {step}")
        changed = settings[-1].changed(step, name, value)
        settings = [each for each in settings if each.step < step] + [changed]
    return settings


def relative(value, usual):
    """Return the value of a challenge's change: "* 10" is ten times the usual one."""
    return usual * float(value[1:]) if isinstance(value, str) and value.startswith("*") else value


def described_choice(each):
    """Return a choice of ``Config`` for a form."""
    allowed = each.metadata["allowed"]
    names = (
        [str(name).lower() if isinstance(name, bool) else name for name in allowed.names]
        if isinstance(allowed, OneOf)
        else None
    )
    return {"name": each.name, "help": each.metadata["help"], "names": names, "live": each.name in LIVE}


def list_of_weights(gan):
    """Return {player: [[name, shape, layer], ...]} of all parameters."""
    players = {"G": gan.generator, "D": gan.discriminator}
    return {
        player: [
            [name, values.shape, repr(net.layers[int(name.split(".")[0])])] for name, (values, _) in net.views().items()
        ]
        for player, net in players.items()
    }


def number(value, name, low, high):
    """Return a number of a page; ValueError where it is none, or not between low and high."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise ValueError(f"{name}: must be a number from {low:g} to {high:g}")
    return value


def plain(value):
    """Return the value as JSON can have it: no NumPy, and None for what is not finite."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
