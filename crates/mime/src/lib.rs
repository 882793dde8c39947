//! Messages as byte-exact part trees, and the MIME writer.
