//! Certificates that we issue: what they say, before anybody signs them.
