"""One worker: the Faust app, bulk delivery, agents, executors, outputs, scheduler, watchdog."""
