"""Background work: a launcher that starts a worker process, the worker, and what it can do.

A wish is a row in the store (``runs``); the worker of a project takes one at a time. The app never
waits for it, and whoever dies, the app, the worker or the machine, the rows tell what was so.
Nothing here imports torch before a kind of work needs it.
"""
