"""One loop that trains every model, and for each model a task: its losses, its data, its validation."""
