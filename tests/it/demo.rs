//! The demo as a process.
