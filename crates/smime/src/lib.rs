//! An email in, a decision out: the public library.
