"""What is recorded: of which processes, which kinds of rows, which system calls."""
