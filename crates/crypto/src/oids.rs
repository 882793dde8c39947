//! Object identifiers of algorithms, under their standards' own names.
#![allow(missing_docs, reason = "the names are the documentation")]

use asn1::Oid;

pub const MD5: Oid = Oid::new("1.2.840.113549.2.5");
pub const SHA1: Oid = Oid::new("1.3.14.3.2.26");
pub const SHA224: Oid = Oid::new("2.16.840.1.101.3.4.2.4");
pub const SHA256: Oid = Oid::new("2.16.840.1.101.3.4.2.1");
pub const SHA384: Oid = Oid::new("2.16.840.1.101.3.4.2.2");
pub const SHA512: Oid = Oid::new("2.16.840.1.101.3.4.2.3");
pub const SHA3_224: Oid = Oid::new("2.16.840.1.101.3.4.2.7");
pub const SHA3_256: Oid = Oid::new("2.16.840.1.101.3.4.2.8");
pub const SHA3_384: Oid = Oid::new("2.16.840.1.101.3.4.2.9");
pub const SHA3_512: Oid = Oid::new("2.16.840.1.101.3.4.2.10");
pub const SHAKE128: Oid = Oid::new("2.16.840.1.101.3.4.2.11");
pub const SHAKE256: Oid = Oid::new("2.16.840.1.101.3.4.2.12");

pub const RSA_ENCRYPTION: Oid = Oid::new("1.2.840.113549.1.1.1");
pub const MD5_WITH_RSA: Oid = Oid::new("1.2.840.113549.1.1.4");
pub const SHA1_WITH_RSA: Oid = Oid::new("1.2.840.113549.1.1.5");
pub const SHA224_WITH_RSA: Oid = Oid::new("1.2.840.113549.1.1.14");
pub const SHA256_WITH_RSA: Oid = Oid::new("1.2.840.113549.1.1.11");
pub const SHA384_WITH_RSA: Oid = Oid::new("1.2.840.113549.1.1.12");
pub const SHA512_WITH_RSA: Oid = Oid::new("1.2.840.113549.1.1.13");
pub const RSASSA_PSS: Oid = Oid::new("1.2.840.113549.1.1.10");
pub const RSAES_OAEP: Oid = Oid::new("1.2.840.113549.1.1.7");
pub const MGF1: Oid = Oid::new("1.2.840.113549.1.1.8");
pub const P_SPECIFIED: Oid = Oid::new("1.2.840.113549.1.1.9");

pub const EC_PUBLIC_KEY: Oid = Oid::new("1.2.840.10045.2.1");
pub const ECDSA_WITH_SHA1: Oid = Oid::new("1.2.840.10045.4.1");
pub const ECDSA_WITH_SHA224: Oid = Oid::new("1.2.840.10045.4.3.1");
pub const ECDSA_WITH_SHA256: Oid = Oid::new("1.2.840.10045.4.3.2");
pub const ECDSA_WITH_SHA384: Oid = Oid::new("1.2.840.10045.4.3.3");
pub const ECDSA_WITH_SHA512: Oid = Oid::new("1.2.840.10045.4.3.4");
pub const P256: Oid = Oid::new("1.2.840.10045.3.1.7");
pub const P384: Oid = Oid::new("1.3.132.0.34");
pub const P521: Oid = Oid::new("1.3.132.0.35");
pub const BRAINPOOL_P256R1: Oid = Oid::new("1.3.36.3.3.2.8.1.1.7");
pub const BRAINPOOL_P384R1: Oid = Oid::new("1.3.36.3.3.2.8.1.1.11");
pub const BRAINPOOL_P512R1: Oid = Oid::new("1.3.36.3.3.2.8.1.1.13");

pub const X25519: Oid = Oid::new("1.3.101.110");
pub const X448: Oid = Oid::new("1.3.101.111");
pub const ED25519: Oid = Oid::new("1.3.101.112");
pub const ED448: Oid = Oid::new("1.3.101.113");

pub const DSA: Oid = Oid::new("1.2.840.10040.4.1");
pub const DSA_WITH_SHA1: Oid = Oid::new("1.2.840.10040.4.3");
pub const DSA_WITH_SHA256: Oid = Oid::new("2.16.840.1.101.3.4.3.2");

pub const ML_DSA_44: Oid = Oid::new("2.16.840.1.101.3.4.3.17");
pub const ML_DSA_65: Oid = Oid::new("2.16.840.1.101.3.4.3.18");
pub const ML_DSA_87: Oid = Oid::new("2.16.840.1.101.3.4.3.19");
pub const SLH_DSA_SHA2_128S: Oid = Oid::new("2.16.840.1.101.3.4.3.20");
pub const SLH_DSA_SHA2_128F: Oid = Oid::new("2.16.840.1.101.3.4.3.21");
pub const SLH_DSA_SHA2_192S: Oid = Oid::new("2.16.840.1.101.3.4.3.22");
pub const SLH_DSA_SHA2_192F: Oid = Oid::new("2.16.840.1.101.3.4.3.23");
pub const SLH_DSA_SHA2_256S: Oid = Oid::new("2.16.840.1.101.3.4.3.24");
pub const SLH_DSA_SHA2_256F: Oid = Oid::new("2.16.840.1.101.3.4.3.25");
pub const SLH_DSA_SHAKE_128S: Oid = Oid::new("2.16.840.1.101.3.4.3.26");
pub const SLH_DSA_SHAKE_128F: Oid = Oid::new("2.16.840.1.101.3.4.3.27");
pub const SLH_DSA_SHAKE_192S: Oid = Oid::new("2.16.840.1.101.3.4.3.28");
pub const SLH_DSA_SHAKE_192F: Oid = Oid::new("2.16.840.1.101.3.4.3.29");
pub const SLH_DSA_SHAKE_256S: Oid = Oid::new("2.16.840.1.101.3.4.3.30");
pub const SLH_DSA_SHAKE_256F: Oid = Oid::new("2.16.840.1.101.3.4.3.31");
pub const ML_KEM_512: Oid = Oid::new("2.16.840.1.101.3.4.4.1");
pub const ML_KEM_768: Oid = Oid::new("2.16.840.1.101.3.4.4.2");
pub const ML_KEM_1024: Oid = Oid::new("2.16.840.1.101.3.4.4.3");

pub const DH_SINGLE_PASS_STD_DH_SHA1KDF: Oid = Oid::new("1.3.133.16.840.63.0.2");
pub const DH_SINGLE_PASS_STD_DH_SHA224KDF: Oid = Oid::new("1.3.132.1.11.0");
pub const DH_SINGLE_PASS_STD_DH_SHA256KDF: Oid = Oid::new("1.3.132.1.11.1");
pub const DH_SINGLE_PASS_STD_DH_SHA384KDF: Oid = Oid::new("1.3.132.1.11.2");
pub const DH_SINGLE_PASS_STD_DH_SHA512KDF: Oid = Oid::new("1.3.132.1.11.3");
pub const DH_SINGLE_PASS_COFACTOR_DH_SHA1KDF: Oid = Oid::new("1.3.133.16.840.63.0.3");
pub const DH_SINGLE_PASS_COFACTOR_DH_SHA224KDF: Oid = Oid::new("1.3.132.1.14.0");
pub const DH_SINGLE_PASS_COFACTOR_DH_SHA256KDF: Oid = Oid::new("1.3.132.1.14.1");
pub const DH_SINGLE_PASS_COFACTOR_DH_SHA384KDF: Oid = Oid::new("1.3.132.1.14.2");
pub const DH_SINGLE_PASS_COFACTOR_DH_SHA512KDF: Oid = Oid::new("1.3.132.1.14.3");
pub const DH_SINGLE_PASS_STD_DH_HKDF_SHA256: Oid = Oid::new("1.2.840.113549.1.9.16.3.19");
pub const DH_SINGLE_PASS_STD_DH_HKDF_SHA384: Oid = Oid::new("1.2.840.113549.1.9.16.3.20");
pub const DH_SINGLE_PASS_STD_DH_HKDF_SHA512: Oid = Oid::new("1.2.840.113549.1.9.16.3.21");
pub const HKDF_WITH_SHA256: Oid = Oid::new("1.2.840.113549.1.9.16.3.28");
pub const HKDF_WITH_SHA384: Oid = Oid::new("1.2.840.113549.1.9.16.3.29");
pub const HKDF_WITH_SHA512: Oid = Oid::new("1.2.840.113549.1.9.16.3.30");
pub const CEK_HKDF_SHA256: Oid = Oid::new("1.2.840.113549.1.9.16.3.31");

pub const AES128_CBC: Oid = Oid::new("2.16.840.1.101.3.4.1.2");
pub const AES192_CBC: Oid = Oid::new("2.16.840.1.101.3.4.1.22");
pub const AES256_CBC: Oid = Oid::new("2.16.840.1.101.3.4.1.42");
pub const AES128_WRAP: Oid = Oid::new("2.16.840.1.101.3.4.1.5");
pub const AES192_WRAP: Oid = Oid::new("2.16.840.1.101.3.4.1.25");
pub const AES256_WRAP: Oid = Oid::new("2.16.840.1.101.3.4.1.45");
pub const CMS_3DES_WRAP: Oid = Oid::new("1.2.840.113549.1.9.16.3.6");
pub const PWRI_KEK: Oid = Oid::new("1.2.840.113549.1.9.16.3.9");
pub const AES128_GCM: Oid = Oid::new("2.16.840.1.101.3.4.1.6");
pub const AES192_GCM: Oid = Oid::new("2.16.840.1.101.3.4.1.26");
pub const AES256_GCM: Oid = Oid::new("2.16.840.1.101.3.4.1.46");
pub const AES128_CCM: Oid = Oid::new("2.16.840.1.101.3.4.1.7");
pub const AES192_CCM: Oid = Oid::new("2.16.840.1.101.3.4.1.27");
pub const AES256_CCM: Oid = Oid::new("2.16.840.1.101.3.4.1.47");
pub const CHACHA20_POLY1305: Oid = Oid::new("1.2.840.113549.1.9.16.3.18");
pub const DES_EDE3_CBC: Oid = Oid::new("1.2.840.113549.3.7");
pub const RC2_CBC: Oid = Oid::new("1.2.840.113549.3.2");
pub const DES_CBC: Oid = Oid::new("1.3.14.3.2.7");

pub const HMAC_WITH_SHA1: Oid = Oid::new("1.2.840.113549.2.7");
pub const HMAC_WITH_SHA224: Oid = Oid::new("1.2.840.113549.2.8");
pub const HMAC_WITH_SHA256: Oid = Oid::new("1.2.840.113549.2.9");
pub const HMAC_WITH_SHA384: Oid = Oid::new("1.2.840.113549.2.10");
pub const HMAC_WITH_SHA512: Oid = Oid::new("1.2.840.113549.2.11");
pub const PBKDF2: Oid = Oid::new("1.2.840.113549.1.5.12");
pub const PBES2: Oid = Oid::new("1.2.840.113549.1.5.13");
pub const PBMAC1: Oid = Oid::new("1.2.840.113549.1.5.14");
