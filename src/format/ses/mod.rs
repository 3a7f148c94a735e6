//! Electronic seals and seal signatures, GB/T 38540-2020.
