"""What the tests of several rooms share: a queue in processes of its own, commands for its jobs, a disk."""
