"""An emulated Emarsys account and messaging platform, served over HTTP on loopback.

Real Emarsys clients work against it unchanged apart from the base URL. All state is in one DuckDB
file, so half a million contacts cost no Python objects and survive a restart.

The way of a request: ``app`` (ASGI) -> ``gate`` (faults, credentials, permission, rate) ->
``routing`` -> a handler in ``routes/`` -> the modules that read and write the state.

What is not imitated: FTP, SFTP and mail delivery of exports (they end as ``done`` without one),
e-mail campaigns and form registrations (lists and exports of them are empty), the evaluation of
segment criteria, merge rules, programs connected to events, date-times in ``time_range``, Escher
signatures.
"""
