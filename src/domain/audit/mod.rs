//! Audit events: what happened, typed, versioned, canonically encoded.
