"""Reports as pages of HTML: one file that needs no other, and asks nothing of any other machine."""
