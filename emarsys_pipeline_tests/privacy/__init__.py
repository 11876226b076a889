"""What is held on a person, and what is left after an erasure."""
