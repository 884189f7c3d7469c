"""Floor 2: what people look at: report, execution tree, topology, and what lint finds in it.

Made from state, and only to be read: nothing here decides, waits or changes anything.
"""
