"""What happens to renders and jobs when anything of the queue is killed: tests, and a table that anyone can make."""
