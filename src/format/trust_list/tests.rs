//! Lists read, written and refused.
