//! Our seals: their states, what their maker signs, what their use signs.
