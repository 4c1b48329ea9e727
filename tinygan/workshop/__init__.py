"""The workshop: the blanks from which readers build their own GAN, and how each of them is judged.

project/     the finished project; what a reader gets is this, with the bodies of the blanks taken out
blanks       take them out; quote one as the solution
steps        the fifteen steps in order: where, which lesson, two hints, and the reason behind the solution
probes       what each blank is asked
mistakes     the typical wrong answers, as edits of the finished project
judge        ask a reader's project, compare with the finished one, name what is wrong
apart        have it judged in a process of its own, within a time limit
race         a reader's training beside the package's
"""
