"""What becomes of renders and jobs when parts of the queue are killed: tests, and a table anyone can make."""
