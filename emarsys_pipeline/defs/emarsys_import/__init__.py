"""raw_segment_exports and mapped_contacts: segments fetched from Emarsys, then mapped."""
