"""The Go Text Protocol, from both sides: as the engine, and as the referee of other engines."""
