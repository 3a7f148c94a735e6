//! Algorithms over fixed-width bytes: SM2, SM3, RSA, SHA-2. Parses nothing, decides nothing, does no I/O.
