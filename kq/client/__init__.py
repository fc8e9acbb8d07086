"""The desktop's and the command's side of the queue: nothing here ever makes the caller wait."""
