//! Certificates and names, RFC 5280 and GB/T 20518.
