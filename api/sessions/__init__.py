"""Where an account is signed in, and how its owner ends that."""
