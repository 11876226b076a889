"""The data's way, one folder a stage; nothing here knows Dagster.

::

    Emarsys ---> raw_segment_exports ---> mapped_contacts --+
                                                            +--> stitched_identities --+
    inbox ---+-> platform_contacts -------------------------+                          |
             +-> consent_events ------------------------------> opt_in_deltas <--------+
                                                                      |
    Emarsys <----------------------------------------------- opt_in_pushes

    stitched_identities ---> contact_upserts ---> contact_upsert_pushes ---> messaging platform
                                   +------------> hand-over files

A stage is a function: the warehouse and its collaborators in, a frozen dataclass of counts out.
"""
