//! DER (ITU-T X.690): the only code that sees a tag or a length.
