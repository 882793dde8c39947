//! BER and DER reading and writing: streaming, bounded.
