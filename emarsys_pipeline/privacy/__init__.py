"""What is held on a person: found, given out, erased, and let go of after a time.

``holdings`` says of every column of the warehouse whether it holds personal data. Nothing here asks
Emarsys for anything, and nothing else changes the consent ledger.
"""
