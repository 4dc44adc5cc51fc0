// Only pkg-config's flags come from this target: the library's own headers are C++.
