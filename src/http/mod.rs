//! The HTTPS door: routes, access, limits, problems.
