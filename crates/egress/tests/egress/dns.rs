//! A DNS server on loopback for one zone that is signed, or not, or wrongly.

use std::net::SocketAddr;

use egress::look_up::{Smimea, SmimeaSettings, owner_name};
use egress::{LookUp, Source};
use hickory_resolver::proto::dnssec::Nsec3HashAlgorithm;
use hickory_resolver::proto::dnssec::crypto::Ed25519SigningKey;
use hickory_resolver::proto::dnssec::rdata::{DNSKEY, DNSSECRData, NSEC3, RRSIG, SigInput};
use hickory_resolver::proto::dnssec::{DnssecSigner, PublicKey as _, SigningKey, TBS};
use hickory_resolver::proto::op::{Edns, Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::tlsa::{CertUsage, Matching, Selector};
use hickory_resolver::proto::rr::rdata::{SMIMEA, SOA};
use hickory_resolver::proto::rr::{DNSClass, Name, RData, Record, RecordType, SerialNumber};
use pki::EmailAddress;
use testkit::TestPki;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};

const ZONE: &str = "partner.example.";

struct Zone {
    signer: DnssecSigner,
    records: Vec<Record>,
    /// What is said of names that are not there.
    denials: Vec<Record>,
    /// Whether answers carry signatures, and whether these fit.
    signed: Signed,
}

#[derive(Clone, Copy, PartialEq)]
enum Signed {
    Yes,
    No,
    Wrongly,
}

impl Zone {
    fn new(records: Vec<Record>, signed: Signed) -> Self {
        let key = Ed25519SigningKey::generate_pkcs8().unwrap();
        let key = Ed25519SigningKey::from_pkcs8(&key).unwrap();
        let dnskey = DNSKEY::from_key(&key.to_public_key().unwrap());
        let zone = Name::from_ascii(ZONE).unwrap();
        let signer = DnssecSigner::new(dnskey, Box::new(key), zone, std::time::Duration::from_secs(86_400));
        Self { signer, records, denials: Vec::new(), signed }
    }

    fn anchor(&self) -> String {
        let key = self.signer.dnskey();
        let octets = base64_simd::STANDARD.encode_to_string(key.public_key().public_bytes());
        format!("{ZONE} 3600 IN DNSKEY {} 3 15 {octets}\n", key.flags())
    }

    fn answer(&self, question: &Message) -> Message {
        let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
        answer.metadata.recursion_available = true;
        let Some(query) = question.queries.first() else { return answer };
        answer.queries.push(query.clone());
        let mut edns = Edns::new();
        edns.set_max_payload(1232);
        edns.set_dnssec_ok(true);
        answer.edns = Some(edns);
        let apex = Name::from_ascii(ZONE).unwrap();
        let found: Vec<Record> = if query.query_type() == RecordType::DNSKEY && *query.name() == apex {
            let data = RData::DNSSEC(DNSSECRData::DNSKEY(self.signer.dnskey().clone()));
            vec![Record::from_rdata(apex, 3600, data)]
        } else {
            let fits = |record: &&Record| record.name == *query.name() && record.record_type() == query.query_type();
            self.records.iter().filter(fits).cloned().collect()
        };
        if found.is_empty() {
            answer.metadata.response_code = ResponseCode::NXDomain;
            for denial in &self.denials {
                answer.authorities.push(denial.clone());
                answer.authorities.push(self.sign(std::slice::from_ref(denial)));
            }
            return answer;
        }
        if self.signed != Signed::No {
            answer.answers.push(self.sign(&found));
        }
        answer.answers.extend(found);
        answer
    }

    fn sign(&self, records: &[Record]) -> Record {
        let now = u32::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
        let name = records[0].name.clone();
        let input = SigInput {
            type_covered: records[0].record_type(),
            algorithm: self.signer.key().algorithm(),
            num_labels: name.num_labels(),
            original_ttl: records[0].ttl,
            sig_expiration: SerialNumber::new(now + 86_400),
            sig_inception: SerialNumber::new(now - 3600),
            key_tag: self.signer.calculate_key_tag().unwrap(),
            signer_name: self.signer.signer_name().clone(),
        };
        let tbs = TBS::from_input(&name, DNSClass::IN, &input, records.iter()).unwrap();
        let mut signature = self.signer.sign(&tbs).unwrap();
        let is_key = records[0].record_type() == RecordType::DNSKEY;
        if self.signed == Signed::Wrongly && !is_key {
            signature[5] ^= 1;
        }
        Record::from_rdata(name, 3600, RData::DNSSEC(DNSSECRData::RRSIG(RRSIG::from_sig(input, signature))))
    }

    /// Serves it by UDP and TCP until the test ends.
    async fn serve(self) -> SocketAddr {
        let zone = std::sync::Arc::new(self);
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
                break (udp, tcp);
            }
        };
        let address = udp.local_addr().unwrap();
        let by_udp = std::sync::Arc::clone(&zone);
        tokio::spawn(async move {
            let mut question = [0; 4096];
            while let Ok((read, from)) = udp.recv_from(&mut question).await {
                let Ok(question) = Message::from_vec(&question[..read]) else { continue };
                let mut answer = by_udp.answer(&question);
                if answer.to_vec().unwrap().len() > 1232 {
                    answer.answers.clear();
                    answer.metadata.truncation = true;
                }
                let answer = answer.to_vec().unwrap();
                let _ = udp.send_to(&answer, from).await;
            }
        });
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = tcp.accept().await {
                let zone = std::sync::Arc::clone(&zone);
                tokio::spawn(async move {
                    while let Ok(length) = stream.read_u16().await {
                        let mut question = vec![0; length.into()];
                        if stream.read_exact(&mut question).await.is_err() {
                            return;
                        }
                        let Ok(question) = Message::from_vec(&question) else { return };
                        let answer = zone.answer(&question).to_vec().unwrap();
                        let _ = stream.write_u16(u16::try_from(answer.len()).unwrap()).await;
                        let _ = stream.write_all(&answer).await;
                    }
                });
            }
        });
        address
    }
}

fn record(address: &EmailAddress, matching: Matching, data: &[u8]) -> Record {
    let name = Name::from_ascii(owner_name(address).unwrap()).unwrap();
    let data = SMIMEA::new(CertUsage::DaneEe, Selector::Full, matching, data.to_vec());
    Record::from_rdata(name, 3600, RData::SMIMEA(data))
}

#[tokio::test]
async fn t_70_s_58_smimea_counts_with_dnssec_alone() {
    let pki = TestPki::shared();
    let alice = pki.person("alice@partner.example", crypto::KeyKind::P256);
    let bob = pki.person("bob@partner.example", crypto::KeyKind::P256);
    let at = EmailAddress::parse("alice@partner.example").unwrap();
    let nobody = EmailAddress::parse("nobody@partner.example").unwrap();
    for (signed, expected) in [(Signed::Yes, true), (Signed::No, false), (Signed::Wrongly, false)] {
        let records = vec![
            record(&at, Matching::Raw, alice.certificate().der()),
            // Another person's certificate under alice's name, a digest, and garbage.
            record(&at, Matching::Raw, bob.certificate().der()),
            record(&at, Matching::Sha256, &[7; 32]),
            record(&at, Matching::Raw, b"garbage"),
        ];
        let zone = Zone::new(records, signed);
        let trust_anchor = Some(zone.anchor());
        let server = zone.serve().await;
        let dns = Smimea::new(&SmimeaSettings { servers: vec![server], trust_anchor }).unwrap();
        let look_up = LookUp::new(vec![Source::Smimea(Box::new(dns))]);
        let answers = look_up.find(&at).await;
        let found = answers.found.map(|found| found.certificates).unwrap_or_default();
        let wanted = if expected { vec![alice.certificate().clone()] } else { vec![] };
        assert_eq!(found, wanted, "{:?}", answers.failed);
        assert!(look_up.find(&nobody).await.found.is_none());
    }
}

#[tokio::test]
async fn t_70_a_zone_under_another_key_is_not_believed() {
    let alice = TestPki::shared().person("alice@partner.example", crypto::KeyKind::P256);
    let at = EmailAddress::parse("alice@partner.example").unwrap();
    let zone = Zone::new(vec![record(&at, Matching::Raw, alice.certificate().der())], Signed::Yes);
    let trust_anchor = Some(Zone::new(vec![], Signed::Yes).anchor());
    let server = zone.serve().await;
    let dns = Smimea::new(&SmimeaSettings { servers: vec![server], trust_anchor }).unwrap();
    assert!(LookUp::new(vec![Source::Smimea(Box::new(dns))]).find(&at).await.found.is_none());
}

#[test]
fn t_124_denials_out_of_another_zone_and_with_endless_hashing_come_to_an_end() {
    crate::hostile_dns::within_bounds(|| async {
        let at = EmailAddress::parse("alice@partner.example").unwrap();
        for (zone_of_soa, iterations) in [("elsewhere.example.", 1), ("partner.example.", u16::MAX), (".", 0)] {
            let mut zone = Zone::new(Vec::new(), Signed::Yes);
            let (origin, apex) = (Name::from_ascii(zone_of_soa).unwrap(), Name::from_ascii(ZONE).unwrap());
            let soa = SOA::new(origin.clone(), origin.clone(), 1, 3600, 3600, 3600, 3600);
            zone.denials.push(Record::from_rdata(origin, 3600, RData::SOA(soa)));
            for hash in ["0p9mhaveqvm6t7vbl5lop2u3t2rp3tom", "2t7b4g4vsa5smi47k61mv5bv1a22bojr"] {
                let owner = Name::from_ascii(hash).unwrap().append_domain(&apex).unwrap();
                let types = [RecordType::SMIMEA];
                let denial = NSEC3::new(Nsec3HashAlgorithm::SHA1, false, iterations, vec![7; 255], vec![9; 20], types);
                zone.denials.push(Record::from_rdata(owner, 3600, RData::DNSSEC(DNSSECRData::NSEC3(denial))));
            }
            let trust_anchor = Some(zone.anchor());
            let server = zone.serve().await;
            let dns = Smimea::new(&SmimeaSettings { servers: vec![server], trust_anchor }).unwrap();
            assert!(LookUp::new(vec![Source::Smimea(Box::new(dns))]).find(&at).await.found.is_none());
        }
    });
}
