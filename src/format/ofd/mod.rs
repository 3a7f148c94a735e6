//! The OFD package: container, parts, document tree, signature list. GB/T 33190-2016.
