"""An emulated Emarsys account and messaging platform, served over HTTP on loopback.

Real Emarsys clients work against it unchanged apart from the base URL. All state is in one DuckDB
file, so half a million contacts cost no Python objects and survive a restart.

The way of a request: ``app`` (ASGI) -> ``gate`` (faults, credentials, permission, rate) ->
``routing`` -> a handler in ``routes/`` -> the modules that read and write the state.

Every documented refusal has a cause: fixed fields, events and exports that something uses
(``usages``), a switch where it depends on the account (``switches``), a fault where it is an error
of the server (``faults``).

What is not imitated: FTP, SFTP and mail delivery of exports (they end as ``done`` without one),
e-mail campaigns and form registrations (lists and exports of them are empty, their ``time_range``
is not judged), the evaluation of segment criteria and the texts that refuse them (code 1008), merge
rules, what programs do when an event starts them, date-times in ``time_range``, Escher signatures.
A key value that another contact holds already is not refused: e-mail addresses are not unique in
Emarsys either.
"""
