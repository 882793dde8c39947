//! Certificates, CRLs, OCSP, CSRs, PKCS #8 and #12, path validation for email.
