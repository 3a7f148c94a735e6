//! The only SQL: rows of SQLite or PostgreSQL, one text for both.
