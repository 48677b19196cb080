"""The state of the web process, for supervisors and balancers."""
