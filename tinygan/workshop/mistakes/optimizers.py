"""The typical mistakes in the optimizers and the moving average."""

from __future__ import annotations

from tinygan.workshop.mistakes.rows import own, rule

# fmt: off
STEP = "params -= self.lr * grads"
NOT_IN_PLACE = "not in place", "the array that was given stays as it was, and with it the vector of the network, into which the layers look", "params -= ... changes the array; params = params - ... makes another one"
LENT = "changed in place", "grads was only lent, and is changed", "write into new arrays: grads * lr, not grads *= lr"
SGD = [
    rule("uphill", STEP, "params += self.lr * grads"),
    rule("no lr", STEP, "params -= grads"),
    own(*NOT_IN_PLACE, STEP, "params = params - self.lr * grads"),
    own("learning rate squared", "lr is multiplied in twice", "θ ← θ - lr g", STEP, "params -= self.lr**2 * grads"),
    own("divided by lr", "the gradient is divided by the learning rate", "θ ← θ - lr g", STEP, "params -= grads / self.lr"),
    own("parameters forgotten", "params is overwritten by the step: the old value is lost", "θ ← θ - lr g", STEP, "params[...] = -self.lr * grads"),
    own("parameters shrunk", "params is multiplied by lr, too", "θ ← θ - lr g", STEP, "params -= self.lr * (params - grads)"),
    own("parameters shrunk", "this is lr·(θ - g)", "θ ← θ - lr g", STEP, "params[...] = self.lr * (params - grads)"),
    own("parameters shrunk", "params is multiplied by lr, too", "θ ← θ - lr g", STEP, "params -= self.lr * grads * params"),
    own("sign of the gradient", "every entry moves by lr: only the sign of g is used", "θ ← θ - lr g", STEP, "params -= self.lr * np.sign(grads)"),
    own("normalized gradient", "the gradient is divided by its length", "θ ← θ - lr g", STEP, "params -= self.lr * grads / np.linalg.norm(grads)"),
    own("1/N divided twice", "the mean of the loss is in the gradient already", "θ ← θ - lr g: no len()", STEP, "params -= self.lr * grads / len(grads)"),
    own("one number for all", "the mean of the gradient is subtracted from all", "each parameter has its own gradient", STEP, "params -= self.lr * grads.mean()"),
    own("one number for all", "the sum of the gradient is subtracted from all", "each parameter has its own gradient", STEP, "params -= self.lr * grads.sum()"),
    own("grads changed", "the step goes into grads, and params stays", "params -= lr * grads", STEP, "grads -= self.lr * params"),
    own(*LENT, STEP, "grads *= self.lr\n        params -= grads"),
    own("gradients set to zero", "grads is only lent: it is to stay as it is", "backward overwrites it anyway", STEP, STEP + "\n        grads[...] = 0"),
    own("squared gradient", "the gradient is squared", "θ ← θ - lr g", STEP, "params -= self.lr * grads**2"),
    own("rate written down", "a fixed number stands where self.lr belongs", "self.lr", STEP, "params -= 0.1 * grads"),
    own("rate written down", "a fixed number stands where self.lr belongs", "self.lr", STEP, "params -= 0.01 * grads"),
    own("learning rate added", "lr is added, not multiplied", "θ ← θ - lr g", STEP, "params -= self.lr + grads"),
    own("momentum", "this is momentum: it remembers the steps before", "θ ← θ - lr g", STEP, "self.v = 0.9 * getattr(self, 'v', 0) - self.lr * grads\n        params += self.v"),
    own("not every parameter", "the last one stays", "params -= ..., all at once", STEP, "params[:-1] -= self.lr * grads[:-1]"),
    own("not every parameter", "the first one only", "params -= ..., all at once", STEP, "params[0] -= self.lr * grads[0]"),
]
T, M, V = "self.t += 1", "self.m = self.beta1 * self.m + (1 - self.beta1) * grads", "self.v = self.beta2 * self.v + (1 - self.beta2) * grads**2"
M_HAT, V_HAT = "m_hat = self.m / (1 - self.beta1**self.t)", "v_hat = self.v / (1 - self.beta2**self.t)"
GO = "params -= self.lr * m_hat / (np.sqrt(v_hat) + self.eps)"
ADAM = [
    rule("uncorrected", M_HAT, "m_hat = self.m", V_HAT, "v_hat = self.v"),
    rule("v uncorrected", V_HAT, "v_hat = self.v"),
    rule("m uncorrected", M_HAT, "m_hat = self.m"),
    own("bias correction wrong", "m is multiplied by 1 - β1ᵗ, and must be divided by it", "m̂ = m/(1 - β1ᵗ), v̂ = v/(1 - β2ᵗ)", M_HAT, M_HAT.replace("m /", "m *"), V_HAT, V_HAT.replace("v /", "v *")),
    own("bias correction wrong", "β·t in place of βᵗ", "βᵗ is self.beta1**self.t", M_HAT, M_HAT.replace("**self.t", " * self.t"), V_HAT, V_HAT.replace("**self.t", " * self.t")),
    own("corrected for good", "m̂ and v̂ are kept as the averages: the correction piles up", "self.m and self.v stay uncorrected; m̂ and v̂ are local", M_HAT, "m_hat = self.m = self.m / (1 - self.beta1**self.t)", V_HAT, "v_hat = self.v = self.v / (1 - self.beta2**self.t)"),
    own("corrected for good", "v̂ is kept as the average: the correction piles up", "self.v stays uncorrected; v̂ is local", V_HAT, "v_hat = self.v = self.v / (1 - self.beta2**self.t)"),
    own("bias corrections exchanged", "m is corrected by β2, v by β1", "m̂ = m/(1 - β1ᵗ), v̂ = v/(1 - β2ᵗ)", M_HAT, M_HAT.replace("beta1", "beta2"), V_HAT, V_HAT.replace("beta2", "beta1")),
    own("bias correction wrong", "v is corrected by β1", "v̂ = v/(1 - β2ᵗ)", V_HAT, V_HAT.replace("beta2", "beta1")),
    own("bias correction wrong", "m is corrected by β2", "m̂ = m/(1 - β1ᵗ)", M_HAT, M_HAT.replace("beta1", "beta2")),
    rule("no root", GO, "params -= self.lr * m_hat / (v_hat + self.eps)"),
    own("epsilon in the root", "ε stands within the root, where it is √ε = 1e-4", "√v̂ + ε", GO, "params -= self.lr * m_hat / np.sqrt(v_hat + self.eps)"),
    own("epsilon missing", "where a gradient has always been 0 this is 0/0", "√v̂ + ε", GO, "params -= self.lr * m_hat / np.sqrt(v_hat)"),
    rule("uphill", GO, GO.replace("-=", "+=")),
    rule("no lr", GO, GO.replace("self.lr * ", "")),
    own(*NOT_IN_PLACE, GO, GO.replace("params -=", "params = params -")),
    rule("|g|", V, V.replace("grads**2", "np.abs(grads)")),
    own("square missing", "the second average is of g, and must be of g²: roots of negative numbers", "v = β2 v + (1 - β2) g²", V, V.replace("grads**2", "grads")),
    own("square of the average", "v is the average of m², and must be that of g²", "v ← β2 v + (1 - β2) g²", V, V.replace("grads**2", "self.m**2")),
    own("sum of the squares", "one v for all parameters", "v has an entry for each parameter: grads**2, no sum", V, V.replace("grads**2", "np.sum(grads**2)")),
    own("sum of the squares", "one v for all parameters", "v has an entry for each parameter: grads**2, no mean", V, V.replace("grads**2", "np.mean(grads**2)")),
    rule("1 - β", M, "self.m = (1 - self.beta1) * self.m + self.beta1 * grads", V, "self.v = (1 - self.beta2) * self.v + self.beta2 * grads**2"),
    rule("1 - β", V, "self.v = (1 - self.beta2) * self.v + self.beta2 * grads**2"),
    rule("1 - β", M, "self.m = (1 - self.beta1) * self.m + self.beta1 * grads"),
    rule("β1 for β2", V, V.replace("beta2", "beta1")),
    rule("β2 for β1", M, M.replace("beta1", "beta2")),
    rule("β1 and β2", M, M.replace("beta1", "beta2"), V, V.replace("beta2", "beta1")),
    rule("β1 and β2", M, M.replace("beta1", "beta2"), V, V.replace("beta2", "beta1"), M_HAT, M_HAT.replace("beta1", "beta2"), V_HAT, V_HAT.replace("beta2", "beta1")),
    own("weight of the new gradient missing", "g is added to m with the weight 1, and must have 1 - β1", "m ← β1 m + (1 - β1) g", M, "self.m = self.beta1 * self.m + grads"),
    own("weight of the new gradient missing", "g² is added to v with the weight 1, and must have 1 - β2", "v ← β2 v + (1 - β2) g²", V, "self.v = self.beta2 * self.v + grads**2"),
    own("weight of the new gradient missing", "g and g² are added with the weight 1", "m ← β1 m + (1 - β1) g, v ← β2 v + (1 - β2) g²", M, "self.m = self.beta1 * self.m + grads", V, "self.v = self.beta2 * self.v + grads**2"),
    rule("forget", M, "self.m = (1 - self.beta1) * grads", V, "self.v = (1 - self.beta2) * grads**2"),
    rule("forget", V, "self.v = (1 - self.beta2) * grads**2"),
    rule("forget", M, "self.m = (1 - self.beta1) * grads"),
    rule("stop", T, "self.t = 1"),
    own("clock too late", "t is 0 in the first step: 1 - β⁰ is 0, and everything is divided by it", "self.t += 1 comes first", T, "pass", GO, GO + "\n        self.t += 1"),
    own("clock too late", "t is counted nowhere", "self.t += 1 comes first", T, "pass"),
    own("clock too fast", "t is counted twice in each step", "self.t += 1, once", T, "self.t += 2"),
    own("gradient in place of the average", "the step is made of g, and must be of m̂", "θ ← θ - lr m̂/(√v̂ + ε)", GO, GO.replace("m_hat", "grads")),
    own("parameters forgotten", "params is overwritten by the step: the old value is lost", "params -= ...", GO, GO.replace("params -= ", "params[...] = -")),
    own(*LENT, GO, GO + "\n        grads *= 0"),
    own("root of the wrong part", "m̂ stands below the line", "m̂/(√v̂ + ε)", GO, "params -= self.lr * np.sqrt(v_hat) / (m_hat + self.eps)"),
    own("multiplied by the root", "m̂ is multiplied by √v̂, and must be divided", "m̂/(√v̂ + ε)", GO, "params -= self.lr * m_hat * (np.sqrt(v_hat) + self.eps)"),
    own("plain SGD", "v has no part in the step", "θ ← θ - lr m̂/(√v̂ + ε)", GO, "params -= self.lr * m_hat"),
    own("plain SGD", "this is SGD", "θ ← θ - lr m̂/(√v̂ + ε)", GO, "params -= self.lr * grads"),
    *(own("another epsilon", "a fixed number stands where self.eps belongs", "√v̂ + ε", GO, GO.replace("self.eps", e)) for e in ("1e-3", "1e-4", "1e-5", "1e-6")),
    own("square of the average", "m̂ is squared", "m̂/(√v̂ + ε)", GO, GO.replace("m_hat /", "m_hat**2 /")),
    own("old average kept whole", "m is not multiplied by β1", "m ← β1 m + (1 - β1) g", M, "self.m = self.m + (1 - self.beta1) * grads"),
    own("old average kept whole", "v is not multiplied by β2", "v ← β2 v + (1 - β2) g²", V, "self.v = self.v + (1 - self.beta2) * grads**2"),
    own("momentum alone", "m is not the average of g: it is never divided by √v̂", "θ ← θ - lr m̂/(√v̂ + ε)", GO, "params -= self.lr * self.m"),
]
ADAM_ALSO = [
    (GO, "params -= self.lr * np.sqrt(1 - self.beta2**self.t) / (1 - self.beta1**self.t) * self.m / (np.sqrt(self.v) + self.eps)"),
]
D, EMA = "decay = min(self.decay, (1 + self.t) / (10 + self.t))", "self.params += (1 - decay) * (params - self.params)"
COUNTED = "        self.t += 1\n        decay"
AVERAGE = [
    own("decay the wrong way round", "the old average has the weight 1 - d, the new weights d", "ā ← d ā + (1 - d) θ", EMA, "self.params += decay * (params - self.params)"),
    own("weight of the new one missing", "θ is added with the weight 1: the average grows", "ā ← d ā + (1 - d) θ", EMA, "self.params[...] = decay * self.params + params"),
    own("weight of the old one missing", "ā is kept with the weight 1: the average grows", "ā ← d ā + (1 - d) θ", EMA, "self.params += (1 - decay) * params"),
    own("wrong sign", "the average moves away from θ", "ā ← ā + (1 - d)(θ - ā)", EMA, "self.params -= (1 - decay) * (params - self.params)"),
    own("no average", "ā is θ itself", "ā ← d ā + (1 - d) θ", EMA, "self.params[...] = params"),
    own("no average", "ā becomes the very array of the parameters, and moves with it", "ā ← d ā + (1 - d) θ, an array of its own", EMA, "self.params = params"),
    own("no update", "the average stays as it was", "ā ← d ā + (1 - d) θ", EMA, "(1 - decay) * (params - self.params)"),
    own("the other one changed", "θ is changed, and ā stays", "self.params += ..., not params", EMA, "params += (1 - decay) * (self.params - params)"),
    own("slow beginning", "the decay is the last one from the start: the random first weights stay in the average for long", "d = min(decay, (1 + t)/(10 + t)), with its brackets", D, "decay = self.decay"),
    own("maximum for minimum", "the larger of the two is taken", "d = min(decay, (1 + t)/(10 + t)): small at first", D, D.replace("min", "max")),
    own("no upper limit", "the decay goes on to 1: decay has no part in it", "d = min(decay, (1 + t)/(10 + t))", D, "decay = (1 + self.t) / (10 + self.t)"),
    own("clock too late", "t is 0 in the first call", "count first: self.t += 1", COUNTED, "        decay", EMA, EMA + "\n        self.t += 1"),
    own("clock stopped", "t is never counted: d stays at 1/10", "self.t += 1", COUNTED, "        decay"),
    own("clock stopped", "d is 2/11 in every call: t is always 1, or self.decay itself was overwritten", "self.t += 1, and d is a local number", COUNTED, "        self.t = 1\n        decay"),
    own("wrong fraction", "t/(10 + t) in place of (1 + t)/(10 + t)", "d = min(decay, (1 + t)/(10 + t))", D, "decay = min(self.decay, self.t / (10 + self.t))"),
    own("wrong fraction", "1/(10 + t) in place of (1 + t)/(10 + t)", "d = min(decay, (1 + t)/(10 + t))", D, "decay = min(self.decay, 1 / (10 + self.t))"),
    own("the mean of all", "this is the plain mean of all θ", "ā ← d ā + (1 - d) θ with d = min(decay, (1 + t)/(10 + t))", D, "decay = self.t / (1 + self.t)"),
    own("half and half", "d is ½ in every call", "d = min(decay, (1 + t)/(10 + t))", D, "decay = 0.5"),
    own("added to the old", "the new average is added to the old one, and must take its place", "ā ← d ā + (1 - d) θ: = or +=, not both", EMA, "self.params += decay * self.params + (1 - decay) * params"),
    own("brackets", "d (ā + θ) in place of d ā + (1 - d) θ", "ā ← d ā + (1 - d) θ", EMA, "self.params[...] = decay * (self.params + params)"),
    own("the other one changed", "θ is changed, and ā stays", "self.params[...] = ..., not params", EMA, "params[...] = decay * self.params + (1 - decay) * params"),
    own("the other one changed", "θ is changed, too", "self.params alone", EMA, EMA + "\n        params[...] = self.params"),
]
# fmt: on
