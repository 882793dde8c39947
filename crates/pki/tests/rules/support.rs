//! Makes certificates, CRLs and OCSP responses, right and wrong ones alike.

use asn1::{Oid, Tag, Time, Writer};
use crypto::{AlgorithmIdentifier, DigestAlgorithm, KeyKind, PrivateKey, SoftwareKey};
use pki::{Certificate, CertificateList, KeyUsage, OcspResponse};

pub(crate) const BASIC_CONSTRAINTS: Oid = Oid::new("2.5.29.19");
pub(crate) const KEY_USAGE: Oid = Oid::new("2.5.29.15");
pub(crate) const EXTENDED_KEY_USAGE: Oid = Oid::new("2.5.29.37");
pub(crate) const SUBJECT_ALT_NAME: Oid = Oid::new("2.5.29.17");
pub(crate) const NAME_CONSTRAINTS: Oid = Oid::new("2.5.29.30");
pub(crate) const DISTRIBUTION_POINTS: Oid = Oid::new("2.5.29.31");
pub(crate) const CRL_NUMBER: Oid = Oid::new("2.5.29.20");
pub(crate) const DELTA_INDICATOR: Oid = Oid::new("2.5.29.27");
pub(crate) const ISSUING_POINT: Oid = Oid::new("2.5.29.28");
pub(crate) const OCSP_NONCE: Oid = Oid::new("1.3.6.1.5.5.7.48.1.2");
pub(crate) const COMMON_NAME: Oid = Oid::new("2.5.4.3");
pub(crate) const EMAIL: Oid = Oid::new("1.2.840.113549.1.9.1");
pub(crate) const EMAIL_PROTECTION: &str = "1.3.6.1.5.5.7.3.4";
pub(crate) const SERVER_AUTH: &str = "1.3.6.1.5.5.7.3.1";
pub(crate) const OCSP_SIGNING: &str = "1.3.6.1.5.5.7.3.9";

/// An extension: type, criticality, DER of the value.
pub(crate) type Extension = (Oid, bool, Vec<u8>);

pub(crate) fn der(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::new();
    write(&mut writer);
    writer.into_vec()
}

pub(crate) fn time(text: &str) -> Time {
    Time::parse_rfc3339(text).unwrap()
}

pub(crate) fn now() -> Time {
    time("2026-09-01T12:00:00Z")
}

pub(crate) fn name_of(parts: &[(Oid, &str)]) -> Vec<u8> {
    der(|w| {
        w.sequence(|w| {
            for (oid, value) in parts {
                w.constructed(Tag::SET, |w| {
                    w.sequence(|w| {
                        w.oid(oid);
                        w.utf8_string(value);
                    });
                });
            }
        });
    })
}

pub(crate) fn name(common_name: &str) -> Vec<u8> {
    name_of(&[(COMMON_NAME, common_name)])
}

pub(crate) fn ca(path_length: Option<u64>) -> Extension {
    let value = der(|w| {
        w.sequence(|w| {
            w.boolean(true);
            if let Some(length) = path_length {
                w.unsigned(length);
            }
        });
    });
    (BASIC_CONSTRAINTS, true, value)
}

pub(crate) fn usage(usage: KeyUsage) -> Extension {
    (KEY_USAGE, true, der(|w| w.named_bits(&usage.bits())))
}

pub(crate) fn purposes(oids: &[&str]) -> Extension {
    let value = der(|w| w.sequence(|w| oids.iter().for_each(|oid| w.oid(&Oid::new(oid)))));
    (EXTENDED_KEY_USAGE, false, value)
}

/// A GeneralName in DER.
pub(crate) fn general_name(number: u32, content: &[u8]) -> Vec<u8> {
    der(|w| {
        let tag = if number == 4 || number == 0 { Tag::context_constructed(number) } else { Tag::context(number) };
        w.primitive(tag, content);
    })
}

/// SmtpUTF8Mailbox in DER.
pub(crate) fn smtp_utf8(text: &str) -> Vec<u8> {
    let content = der(|w| {
        w.oid(&Oid::new("1.3.6.1.5.5.7.8.9"));
        w.context(0, |w| w.utf8_string(text));
    });
    general_name(0, &content)
}

pub(crate) fn sans(names: &[Vec<u8>]) -> Extension {
    (SUBJECT_ALT_NAME, false, der(|w| w.sequence(|w| names.iter().for_each(|name| w.raw(name)))))
}

pub(crate) fn email(address: &str) -> Extension {
    sans(&[general_name(1, address.as_bytes())])
}

pub(crate) fn name_constraints(permitted: &[Vec<u8>], excluded: &[Vec<u8>]) -> Extension {
    let value = der(|w| {
        w.sequence(|w| {
            for (number, bases) in [(0, permitted), (1, excluded)] {
                if !bases.is_empty() {
                    w.context(number, |w| bases.iter().for_each(|base| w.sequence(|w| w.raw(base))));
                }
            }
        });
    });
    (NAME_CONSTRAINTS, true, value)
}

/// Everything that goes into a certificate.
#[derive(Clone)]
pub(crate) struct Blank {
    /// As it is written: one less than its name. Version 1 is left out.
    pub(crate) version: u64,
    pub(crate) serial: Vec<u8>,
    pub(crate) subject: Vec<u8>,
    pub(crate) validity: Vec<u8>,
    pub(crate) spki: Option<Vec<u8>>,
    pub(crate) extensions: Vec<Extension>,
    pub(crate) signature: Option<Vec<u8>>,
}

pub(crate) fn validity(from: &str, to: &str) -> Vec<u8> {
    der(|w| {
        w.sequence(|w| {
            w.time(time(from));
            w.time(time(to));
        });
    })
}

pub(crate) fn blank(subject: Vec<u8>, extensions: Vec<Extension>) -> Blank {
    Blank {
        version: 2,
        serial: [&[0x11], crypto::random_array::<8>().unwrap().as_slice()].concat(),
        subject,
        validity: validity("2026-01-01", "2027-01-01"),
        spki: None,
        extensions,
        signature: None,
    }
}

/// A CA, or whoever else holds a key and a certificate.
pub(crate) struct Holder {
    pub(crate) key: SoftwareKey,
    pub(crate) certificate: Certificate,
}

pub(crate) fn new_key() -> SoftwareKey {
    SoftwareKey::generate(KeyKind::P256).unwrap()
}

pub(crate) fn extensions_der(w: &mut Writer, extensions: &[Extension]) {
    w.sequence(|w| {
        for (oid, critical, value) in extensions {
            w.sequence(|w| {
                w.oid(oid);
                if *critical {
                    w.boolean(true);
                }
                w.octet_string(value);
            });
        }
    });
}

pub(crate) fn sign(key: &SoftwareKey, tbs: &[u8], forced: Option<&[u8]>) -> Vec<u8> {
    let algorithm = key.default_signature_algorithm().unwrap();
    let signature = forced.map_or_else(|| key.sign(&algorithm, tbs).unwrap(), <[u8]>::to_vec);
    der(|w| {
        w.sequence(|w| {
            w.raw(tbs);
            algorithm.identifier().encode(w);
            w.bit_string(0, &signature);
        });
    })
}

pub(crate) fn signature_algorithm(key: &SoftwareKey) -> AlgorithmIdentifier {
    key.default_signature_algorithm().unwrap().identifier()
}

fn certificate(blank: &Blank, issuer: &[u8], issuer_key: &SoftwareKey, subject_key: &SoftwareKey) -> Vec<u8> {
    let tbs = der(|w| {
        w.sequence(|w| {
            if blank.version > 0 {
                w.context(0, |w| w.unsigned(blank.version));
            }
            w.integer_content(&blank.serial);
            signature_algorithm(issuer_key).encode(w);
            w.raw(issuer);
            w.raw(&blank.validity);
            w.raw(&blank.subject);
            w.raw(blank.spki.as_deref().unwrap_or(subject_key.public_key().spki()));
            if !blank.extensions.is_empty() {
                w.context(3, |w| extensions_der(w, &blank.extensions));
            }
        });
    });
    sign(issuer_key, &tbs, blank.signature.as_deref())
}

impl Holder {
    pub(crate) fn root(common_name: &str, extra: &[Extension]) -> Self {
        let mut extensions = vec![ca(None), usage(KeyUsage::KEY_CERT_SIGN.with(KeyUsage::CRL_SIGN))];
        extensions.extend_from_slice(extra);
        let mut blank = blank(name(common_name), extensions);
        blank.validity = validity("2020-01-01", "2040-01-01");
        let key = new_key();
        let certificate = Certificate::from_der(&certificate(&blank, &blank.subject, &key, &key)).unwrap();
        Self { key, certificate }
    }

    pub(crate) fn issue_der(&self, blank: &Blank, subject_key: &SoftwareKey) -> Vec<u8> {
        certificate(blank, self.certificate.subject().as_der(), &self.key, subject_key)
    }

    pub(crate) fn issue(&self, blank: &Blank) -> Self {
        let key = new_key();
        let certificate = Certificate::from_der(&self.issue_der(blank, &key)).unwrap();
        Self { key, certificate }
    }

    /// An issuing CA below.
    pub(crate) fn ca(&self, common_name: &str, extra: &[Extension]) -> Self {
        let mut extensions = vec![usage(KeyUsage::KEY_CERT_SIGN.with(KeyUsage::CRL_SIGN))];
        if !extra.iter().any(|(oid, ..)| *oid == BASIC_CONSTRAINTS) {
            extensions.push(ca(None));
        }
        extensions.extend_from_slice(extra);
        self.issue(&blank(name(common_name), extensions))
    }

    /// A person's certificate.
    pub(crate) fn person(&self, address: &str) -> Self {
        self.issue(&blank(name(address), vec![email(address)]))
    }

    pub(crate) fn crl(&self, list: &Crl) -> CertificateList {
        CertificateList::from_der(&self.crl_der(list)).unwrap()
    }

    pub(crate) fn crl_der(&self, list: &Crl) -> Vec<u8> {
        let tbs = der(|w| {
            w.sequence(|w| {
                w.unsigned(1);
                signature_algorithm(&self.key).encode(w);
                w.raw(list.issuer.as_deref().unwrap_or(self.certificate.subject().as_der()));
                w.time(time(list.this_update));
                if let Some(next) = list.next_update {
                    w.time(time(next));
                }
                if !list.revoked.is_empty() {
                    w.sequence(|w| {
                        for (serial, on, extensions) in &list.revoked {
                            w.sequence(|w| {
                                w.integer_content(serial);
                                w.time(time(on));
                                if !extensions.is_empty() {
                                    extensions_der(w, extensions);
                                }
                            });
                        }
                    });
                }
                if !list.extensions.is_empty() {
                    w.context(0, |w| extensions_der(w, &list.extensions));
                }
            });
        });
        sign(&self.key, &tbs, None)
    }

    /// An answer about `subject`, issued by `issuer`, signed by `self`.
    pub(crate) fn ocsp(&self, issuer: &Certificate, subject: &Certificate, answer: &Answer) -> OcspResponse {
        OcspResponse::from_der(&self.ocsp_der(issuer, subject, answer)).unwrap()
    }

    pub(crate) fn ocsp_der(&self, issuer: &Certificate, subject: &Certificate, answer: &Answer) -> Vec<u8> {
        let sha1 = |bytes: &[u8]| DigestAlgorithm::Sha1.digest(bytes).octets().to_vec();
        let serial = answer.serial.clone().unwrap_or(subject.serial().content().to_vec());
        let tbs = der(|w| {
            w.sequence(|w| {
                w.context(1, |w| w.raw(self.certificate.subject().as_der()));
                w.generalized_time(now());
                w.sequence(|w| {
                    w.sequence(|w| {
                        w.sequence(|w| {
                            AlgorithmIdentifier::with_null(DigestAlgorithm::Sha1.oid()).encode(w);
                            w.octet_string(&sha1(issuer.subject().as_der()));
                            w.octet_string(&sha1(issuer.public_key().unwrap().bits()));
                            w.integer_content(&serial);
                        });
                        w.raw(&answer.status);
                        w.generalized_time(time(answer.this_update));
                        if let Some(next) = answer.next_update {
                            w.context(0, |w| w.generalized_time(time(next)));
                        }
                        if !answer.extensions.is_empty() {
                            w.context(1, |w| extensions_der(w, &answer.extensions));
                        }
                    });
                });
                let nonce = answer.nonce.as_ref();
                let nonce = nonce.map(|nonce| (OCSP_NONCE, false, der(|w| w.octet_string(nonce))));
                let extensions: Vec<Extension> = nonce.into_iter().chain(answer.general_extensions.clone()).collect();
                if !extensions.is_empty() {
                    w.context(1, |w| extensions_der(w, &extensions));
                }
            });
        });
        let algorithm = self.key.default_signature_algorithm().unwrap();
        let signature = self.key.sign(&algorithm, &tbs).unwrap();
        let basic = der(|w| {
            w.sequence(|w| {
                w.raw(&tbs);
                algorithm.identifier().encode(w);
                w.bit_string(0, &signature);
                if answer.with_certificate {
                    w.context(0, |w| w.sequence(|w| w.raw(self.certificate.der())));
                }
            });
        });
        der(|w| {
            w.sequence(|w| {
                w.primitive(Tag::ENUMERATED, &[0]);
                w.context(0, |w| {
                    w.sequence(|w| {
                        w.oid(&Oid::new("1.3.6.1.5.5.7.48.1.1"));
                        w.octet_string(&basic);
                    });
                });
            });
        })
    }
}

/// A CRL to be: serial number, date, entry extensions.
#[derive(Clone)]
pub(crate) struct Crl {
    pub(crate) issuer: Option<Vec<u8>>,
    pub(crate) this_update: &'static str,
    pub(crate) next_update: Option<&'static str>,
    pub(crate) revoked: Vec<(Vec<u8>, &'static str, Vec<Extension>)>,
    pub(crate) extensions: Vec<Extension>,
}

impl Default for Crl {
    fn default() -> Self {
        Self {
            issuer: None,
            this_update: "2026-08-31",
            next_update: Some("2026-09-07"),
            revoked: Vec::new(),
            extensions: vec![number(1)],
        }
    }
}

impl Crl {
    pub(crate) fn of(certificate: &Certificate) -> Self {
        Self { revoked: vec![(certificate.serial().content().to_vec(), "2026-08-01", vec![])], ..Self::default() }
    }
}

pub(crate) fn number(number: u64) -> Extension {
    (CRL_NUMBER, false, der(|w| w.unsigned(number)))
}

/// An OCSP answer to be.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: Vec<u8>,
    pub(crate) serial: Option<Vec<u8>>,
    pub(crate) this_update: &'static str,
    pub(crate) next_update: Option<&'static str>,
    pub(crate) nonce: Option<Vec<u8>>,
    pub(crate) with_certificate: bool,
    pub(crate) extensions: Vec<Extension>,
    pub(crate) general_extensions: Vec<Extension>,
}

impl Answer {
    pub(crate) fn good() -> Self {
        Self {
            status: der(|w| w.primitive(Tag::context(0), &[])),
            serial: None,
            this_update: "2026-09-01T00:00:00Z",
            next_update: Some("2026-09-02T00:00:00Z"),
            nonce: None,
            with_certificate: false,
            extensions: Vec::new(),
            general_extensions: Vec::new(),
        }
    }

    pub(crate) fn revoked() -> Self {
        Self { status: der(|w| w.context(1, |w| w.generalized_time(time("2026-08-01")))), ..Self::good() }
    }

    pub(crate) fn unknown() -> Self {
        Self { status: der(|w| w.primitive(Tag::context(2), &[])), ..Self::good() }
    }
}
