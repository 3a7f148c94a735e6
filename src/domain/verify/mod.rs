//! Verification: from a parsed document to a verdict with reasons. Changes nothing.
