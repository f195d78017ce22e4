"""A recorded system call as text, in the way of strace."""
