"""Studies: many heads, coils and places, described in one file; what is to be computed, and nothing of how."""
