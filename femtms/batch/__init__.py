"""Studies run: the store of their results, and the engine that fills it on one machine or on many."""
