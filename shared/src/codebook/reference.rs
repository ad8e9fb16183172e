//! Reads the question files of the reference code.
