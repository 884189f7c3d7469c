"""Floor 1: pure rules.

What a schema is and what breaks it, how schemas follow from annotations, whether
a publisher can serve a subscriber, when to try again, and when a schedule is due.
Nothing here waits, reads a clock or knows an agent: values in, values out.
"""
