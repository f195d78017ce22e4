"""What is recorded: which processes, kinds of rows and system calls."""
