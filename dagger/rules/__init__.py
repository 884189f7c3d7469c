"""Floor 1: pure rules.

What a schema is and what breaks it, how schemas follow from annotations, whether
a publisher can serve a subscriber, when to try again, when a schedule is due, what an
expression comes to, and in which order things are undone.
Nothing here waits, reads a clock or knows an agent: values in, values out.
"""
