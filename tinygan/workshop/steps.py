"""The fifteen steps of the workshop, in the order of the lessons, each with what helps where one is stuck.

Two hints lead on; the third shows the solution, which is the finished project's own code, and says why it is so.
"""

from __future__ import annotations

import difflib
from typing import NamedTuple

from tinygan.workshop import probes


class Step(NamedTuple):
    """A step: its name, where its blanks are, the lesson to read, how it is judged, the steps that it is built on."""

    name: str
    file: str
    places: tuple
    lesson: str
    probe: object
    needs: tuple
    hints: tuple  # the first, the second
    reason: str  # of the solution


STEPS = (
    Step(
        "Dense.forward",
        "layers.py",
        ("Dense.forward",),
        "02",
        probes.dense_forward,
        (),
        (
            "Each output is a weighted sum of all inputs, plus a bias. Which product of x, (N, I), and W, (I, O), has "
            "the shape (N, O)?",
            "x @ self.W is (N, O); adding b, (O,), adds it to every row. And backward will ask for x: self.x = x.",
        ),
        "The sum over i is what @ does, for all n and o at once. One sample is a row, so x stands in front of W. "
        "x is kept because W[i, o] is felt through x[n, i]: its gradient is made of x.",
    ),
    Step(
        "Dense.backward",
        "layers.py",
        ("Dense.backward",),
        "02",
        probes.dense_backward,
        ("Dense.forward",),
        (
            "Take a single entry each time, W[i, o], b[o], x[n, i], and ask: which outputs feel it, and how much? Then "
            "write the sum, and see which product of arrays it is.",
            "dW[i, o] = Σ_n x[n, i] dout[n, o], db[o] = Σ_n dout[n, o], dx[n, i] = Σ_o dout[n, o] W[i, o]. In each, "
            "the index that is summed over stands inside: for dW that is n, so x must be transposed.",
        ),
        "W[i, o] is felt by every sample n through x[n, i]; b[o] by every sample through 1; x[n, i] by every output o "
        "through W[i, o]. Sums, no means: the 1/N stands in the loss, once. In place, because dW and db are views into "
        "the vector of the network.",
    ),
    Step(
        "LeakyReLU",
        "layers.py",
        ("LeakyReLU.forward", "LeakyReLU.backward"),
        "03",
        probes.leaky_relu,
        (),
        (
            "out[n, i] depends on x[n, i] alone. On each side of 0 the function is a straight line: what is its slope "
            "there? And where does backward know from on which side x was?",
            "out is x where x > 0, and alpha·x elsewhere: np.where. dx is dout times the slope, 1 or alpha, of the x "
            "that forward has kept.",
        ),
        "An entry felt only by its own output gives dx = dout · f'(x), with f' = 1 on the right and alpha on the left. "
        "The mask is that of x, not of dout.",
    ),
    Step(
        "Sigmoid",
        "layers.py",
        ("Sigmoid.forward", "Sigmoid.backward"),
        "03",
        probes.sigmoid,
        (),
        (
            "Which way to write σ never computes a large exponential? And can its derivative be written with σ alone?",
            "(1 + tanh(x/2))/2 cannot overflow. σ' = σ (1 - σ): keep out, and multiply dout by out·(1 - out).",
        ),
        "Differentiating 1/(1 + exp(-x)) gives exp(-x)/(1 + exp(-x))², which is σ times 1 - σ. So backward needs the "
        "output, not the input.",
    ),
    Step(
        "bce_with_logits",
        "losses.py",
        ("bce_with_logits",),
        "04",
        probes.bce,
        (),
        (
            "Insert p = 1/(1 + exp(-s)) into the loss, and simplify with log σ(s) = s - log(1 + exp(s)), before any "
            "code is written. What becomes of the derivative?",
            "The loss is mean(log(1 + exp(s)) - t s), with log(1 + exp(s)) = max(s, 0) + log(1 + exp(-|s|)); its "
            "derivative is (σ(s) - t)/N.",
        ),
        "The exponential of a negative number cannot overflow, so -|s| is what is exponentiated. The derivative of "
        "log(1 + exp(s)) is σ(s), of t s it is t: guess minus answer, divided by N because the loss is a mean.",
    ),
    Step(
        "least_squares",
        "losses.py",
        ("least_squares",),
        "04",
        probes.least_squares,
        (),
        (
            "One entry of out has a part in one term of the mean only. What is the derivative of ½ d²/N?",
            "With difference = out - target: ½ mean(difference²), and difference/N, where N is out.size.",
        ),
        "The 2 of the square cancels the ½, and the 1/N of the mean stays: value and gradient have the same.",
    ),
    Step(
        "one_vector",
        "network.py",
        ("one_vector",),
        "05",
        probes.one_vector,
        (),
        (
            "How many numbers are there in all? Then go through the layers with a place `start` in the vector, which "
            "moves on by the size of each parameter.",
            "math.prod(shape) is the size of one. params[start:stop].reshape(shape) is a view: setattr(layer, name, "
            "...) for the parameter, and the same of grads under 'd' + name. Then start = stop.",
        ),
        "A slice of a vector and its reshape share the vector's memory, so that one -= of the optimizer moves all "
        "layers, and a layer that fills dW fills the vector.",
    ),
    Step(
        "Network",
        "network.py",
        ("Network.forward", "Network.backward"),
        "05",
        probes.network,
        ("Dense.forward", "Dense.backward", "LeakyReLU", "one_vector"),
        (
            "The output of each layer is the input of the next. In which order does the gradient come back?",
            "x = layer.forward(x) for all layers; dout = layer.backward(dout, param_grads) for reversed(self.layers).",
        ),
        "The chain rule multiplies from the loss backward: what a layer returns as dx is the dout of the layer before "
        "it. At the end it is the gradient of the input, which a generator needs of its discriminator.",
    ),
    Step(
        "SGD.step",
        "optimizers.py",
        ("SGD.step",),
        "06",
        probes.sgd,
        (),
        (
            "Against the gradient the loss falls. And which way of writing it changes the array itself, not only a "
            "name?",
            "params -= ... changes the array in place; params = params - ... would make another one.",
        ),
        "In place, because the layers look into this very vector.",
    ),
    Step(
        "Adam.step",
        "optimizers.py",
        ("Adam.step",),
        "06",
        probes.adam,
        (),
        (
            "Follow the five formulas line by line. What is 1 - βᵗ in the first step, and why must t be 1 there?",
            "Count t first. self.m and self.v stay as they are, uncorrected; m̂ and v̂ are new numbers in each step. ε "
            "stands behind the root.",
        ),
        "m and v begin at 0 and are too small at first, by the factor 1 - βᵗ: the correction takes that back. Dividing "
        "by √v̂ makes lr the length of a step, whatever the scale of the gradient.",
    ),
    Step(
        "GAN.discriminator_step",
        "gan.py",
        ("GAN.discriminator_step",),
        "07",
        probes.discriminator_step,
        ("Network", "bce_with_logits", "least_squares"),
        (
            "What does D pay for a real sample, what for a fake one? Mind that Network.backward belongs to the forward "
            "just before it, and overwrites grads.",
            "One batch of both: forward(np.concatenate([x_real, x_fake])), np.split the logits, self.loss of each half "
            "with its target, backward of the two gradients, concatenated; then the penalty, then the step.",
        ),
        "A second forward would overwrite what the first backward needs, and a second backward the gradients of the "
        "first: in one pass neither can happen. The penalty adds to grads, so it comes behind backward.",
    ),
    Step(
        "GAN.generator_step",
        "gan.py",
        ("GAN.generator_step",),
        "07",
        probes.generator_step,
        ("Network", "bce_with_logits", "least_squares"),
        (
            "The generator wants the discriminator to say 1. On which way does the gradient come from the logits to "
            "the generator's weights, and who must not learn on it?",
            "self.loss(logits, 1); dx_fake = discriminator.backward(dfake, param_grads=False); "
            "generator.backward(dx_fake); then the generator's optimizer.",
        ),
        "x_fake is the discriminator's input, so d(loss)/d(x_fake), which its backward returns, is the dout of the "
        "generator. The discriminator is frozen: what is not needed is not computed.",
    ),
    Step(
        "MovingAverage.update",
        "optimizers.py",
        ("MovingAverage.update",),
        "10",
        probes.moving_average,
        (),
        (
            "Which of the two weights, d and 1 - d, belongs to what is there already? And what is d in the first call?",
            "Count t first, then d = min(self.decay, (1 + t)/(10 + t)), then self.params += (1 - d)·(params - "
            "self.params).",
        ),
        "d = 0.999 keeps nearly all of the old average: it is a mean over about the last 1000 steps. At the start d is "
        "small, 2/11 in the first call, so that the random first weights are soon forgotten.",
    ),
    Step(
        "train",
        "train.py",
        ("train",),
        "10",
        probes.loop,
        ("GAN.discriminator_step", "GAN.generator_step"),
        (
            "What is new in every step, and what do both players share? When is the generator's new state worth "
            "averaging?",
            "In each step: x_real = next(batches), x_fake = gan.generator.forward(next(latents)), D's step, G's step "
            "on the same fakes, the average, look(step, ...), with step from 1 to steps.",
        ),
        "The fakes of one forward serve both steps: the generator's backward needs that very forward. The average "
        "comes after the step, because it is of the weights that the step has made.",
    ),
    Step(
        "add_r1",
        "penalty.py",
        ("add_r1",),
        "13",
        probes.r1,
        ("Network",),
        (
            "Three walks through the layers: forward, backward from ones, forward again along v. Which number of the "
            "second walk does each Dense need in the third?",
            "Keep the upstream gradient of each layer before its backward, in the order of the layers. Then v = "
            "weight·g/N; at a Dense dW += v.T @ upstream and v = v @ W, at a LeakyReLU v = layer.backward(v, "
            "param_grads=False).",
        ),
        "g = u W₁ᵀ, with u the slopes of all that comes behind: each W stands once in Σ v·g, between what v has become "
        "in front of it and the upstream gradient behind it. So its gradient is the product of the two. The bends' "
        "slopes are constant, and the biases have no part.",
    ),
)


def find(words):
    """Return the index of the step that is meant by a number or a name; ValueError with what there is."""
    names = [step.name for step in STEPS]
    if words.isdigit() and 1 <= int(words) <= len(STEPS):
        return int(words) - 1
    wanted = words.lower()
    for i, step in enumerate(STEPS):
        if wanted in (step.name.lower(), *map(str.lower, step.places)):
            return i
    parts = [i for i, name in enumerate(names) if wanted in name.lower()]
    if len(parts) == 1:
        return parts[0]
    close = difflib.get_close_matches(wanted, [name.lower() for name in names], 1)
    guess = f"; did you mean {names[[n.lower() for n in names].index(close[0])]}?" if close else ""
    raise ValueError(f"no step {words!r}{guess or f': name one of 1 to {len(STEPS)}, or ' + ', '.join(names)}")
