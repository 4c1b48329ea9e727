"""``tinygan lab``: the lab, for the browser of this machine."""

from __future__ import annotations

import functools
import math
import shlex
import time
import webbrowser
from dataclasses import replace

from tinygan.app import runs
from tinygan.app.arguments import did_you_mean
from tinygan.app.errors import UsageError
from tinygan.app.output import say
from tinygan.app.source import absolute, fetch, make_examiner, refuse_other
from tinygan.data import DataError
from tinygan.lab.challenges import CHALLENGES
from tinygan.lab.playing import Lab
from tinygan.lab.server import Server, serving
from tinygan.lab.session import Source, read, resumed
from tinygan.recipes import DATA, PRESETS


def lab_command(args):
    """Serve the lab until Ctrl-C."""
    if args.run and args.data:
        raise UsageError("a run has its data already; leave out --data, or the run")
    if args.run and args.preset:
        raise UsageError("a run has its choices already; leave out --preset, or the run")
    if args.challenge and args.challenge not in CHALLENGES:
        guess = did_you_mean(args.challenge, CHALLENGES) or f"; there are {', '.join(CHALLENGES)}"
        raise UsageError(f"--challenge {args.challenge}: there is no such challenge{guess}")
    check_port(args.port)
    source = source_of_run(args.run) if args.run else source_of_data(args.data or "ring", args.preset)
    try:
        start = source.state[1]["step"] if source.state else 0
        typed = args.set or ()
        changes = [(start if step is None else step, name, read(name, text)) for step, name, text in typed]
        lab = Lab(source, changes, source_of_name)
    except ValueError as error:
        raise UsageError(f"--set {error}") from None
    with serving(lab, args.port) as server:
        address = server.address + (f"#{args.challenge}" if args.challenge else "")
        say(f"The lab is open at {address}")
        say("It is for this machine only. Ctrl-C closes it.")
        if args.browser is not False:
            webbrowser.open(address)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            say("\nClosed.")


def check_port(port):
    """Raise UsageError, before anything that takes time, where the port is taken."""
    try:
        Server(None, port).server_close()
    except OSError as error:
        message = f"--port {port}: {error.strerror}; name another, or leave it out and any free one is taken"
        raise UsageError(message) from None


@functools.cache
def source_of_name(name):
    """Return the Source of data that a page names; ValueError where there are none of this name."""
    if name not in DATA:
        raise ValueError(f"{name!r:.40}: the lab knows {', '.join(DATA[1:])}; for a folder, tinygan lab --data FOLDER")
    try:
        return source_of_data(name)
    except (DataError, UsageError) as error:
        raise ValueError(str(error)) from None


def source_of_data(name, preset=None):
    """Return the Source of what ``--data`` names, with a preset's choices."""
    dataset = fetch(name)
    preset = preset or ("default" if dataset.is_image else "lab")
    if dataset.is_image and preset in ("points", "lab"):
        raise UsageError(f"--preset {preset} is for --data ring and grid; {dataset.name} has images: leave it out")
    words = f"--data {shlex.quote(absolute(name))} --preset {preset}"
    return measured(Source(dataset, words, PRESETS[preset]), name)


def source_of_run(run):
    """Return the Source of a run as its checkpoint has it."""
    arrays, values, remark = runs.load(run)
    if remark:
        say(remark)
    with runs.understanding(run):
        config, about = runs.config_of(arrays, values), runs.origin_of(arrays, values)
    if config.minutes:  # the clock would make it another run each time
        config = replace(config, minutes=None, steps=2 * max(values["step"], 5000))
    dataset = fetch(about["data"])._replace(name=about["name"])
    refuse_other(dataset, run, about["data"], about["sha256"])
    with runs.understanding(run):
        resumed(config, dataset, (arrays, values))
    source = Source(dataset, shlex.quote(str(run)), config, state=(arrays, values))
    return measured(source, about["data"])


def measured(source, name):
    """Return the Source with what its samples are measured with, where that can be had."""
    try:
        examiner = make_examiner(source.dataset, name, source.config)
        floor = examiner.floor()
    except DataError as error:
        say(f"The samples are not scored: {error}")
        return source
    neighbors = examiner.neighbors if examiner.images else None
    if not examiner.images or examiner.dataset.labels is not None:
        source = source._replace(measure=examiner.measure)
    return source._replace(floor=floor if not math.isnan(floor[0]) else (None, None), neighbors=neighbors)
