//! Fake clock, test PKI, misbehaving peers.
