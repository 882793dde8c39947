//! The rows of the table that run in this process.

use std::time::{Duration, Instant};

use smime::SignatureForm;

use crate::floor;
use crate::material::{Material, Person, attachment_entity, mail, outer_fields, text_entity};
use crate::measure::{Comparison, Effort, Work, compare};
use crate::ours;
use crate::peer::{Chain, Form, Out, Peer, Recipients, Trust};

/// One line of the report.
pub struct Row {
    pub work: String,
    /// The rival, and by how much we want to be faster.
    pub rival: &'static str,
    pub target: Target,
    pub comparison: Comparison,
}

/// What was set out to be reached.
#[derive(Clone, Copy)]
pub enum Target {
    /// The rival's time by ours, at least.
    Ratio(f64),
    /// The same, and a time at most.
    Both(f64, Duration),
}

pub struct Plan<'a> {
    pub material: &'a Material,
    pub effort: Effort,
    /// For work of a tenth of a second and more.
    pub heavy: Effort,
    pub only: &'a str,
    pub rows: Vec<Row>,
}

impl<'a> Plan<'a> {
    pub fn wants(&self, work: &str) -> bool {
        self.only.is_empty() || work.to_lowercase().contains(&self.only.to_lowercase())
    }

    fn row(&mut self, effort: Effort, work: &str, target: f64, ours: Work<'_>, theirs: Work<'_>, floor: Work<'_>) {
        let comparison = compare(effort, ours, Some(theirs), Some(floor));
        self.push(Row { work: work.into(), rival: "OpenSSL", target: Target::Ratio(target), comparison });
    }

    pub fn push(&mut self, row: Row) {
        println!("{}", crate::report::line(&row));
        self.rows.push(row);
    }

    pub fn small_mails(&mut self) {
        let m = self.material;
        let entity = text_entity(10 * 1024);
        for (name, person, target) in [("RSA-2048", &m.rsa2048, 1.05), ("RSA-3072", &m.rsa3072, 1.05)] {
            let work = format!("sign {name}, S/MIME");
            if self.wants(&work) {
                let mut bare = floor::RsaSigner::new(person);
                self.sign(&work, target, person, &entity, true, Box::new(move || bare.sign(&[7; 300])));
            }
        }
        for (name, smime, target) in [("sign P-256, DER", false, 1.8), ("sign P-256, S/MIME", true, 2.2)] {
            if self.wants(name) {
                let bare = floor::EcSigner::new(&m.p256);
                self.sign(name, target, &m.p256, &entity, smime, Box::new(move || drop(bare.sign(&[7; 300]))));
            }
        }
        let trust = Trust::new(m.root.certificate());
        for (name, person, target) in [("verify RSA-2048, DER", &m.rsa2048, 1.6), ("verify P-256, DER", &m.p256, 1.4)] {
            if self.wants(name) {
                let message = Peer::new(person).sign(b"", &entity, Form::Der, Out::Memory);
                let mut check = verification(person);
                self.row(
                    self.effort,
                    name,
                    target,
                    Box::new(|| ours::verify_der(&message)),
                    Box::new(|| drop(trust.verify(&message, Form::Der, false, Out::Memory))),
                    Box::new(|| {
                        floor::sha256(&entity);
                        check();
                    }),
                );
            }
        }
        let clear =
            Peer::new(&m.rsa2048).sign(outer_fields(&m.rsa2048.address).as_bytes(), &entity, Form::Smime, Out::Memory);
        for (name, cached, target) in
            [("verify with chain, S/MIME, cold", false, 3.0), ("verify with chain, S/MIME, cached", true, 5.0)]
        {
            if self.wants(name) {
                let policy = ours::policy(m, cached);
                let mut check = verification(&m.rsa2048);
                self.row(
                    self.effort,
                    name,
                    target,
                    Box::new(|| ours::verify_mail(&policy, &clear)),
                    Box::new(|| drop(trust.verify(&clear, Form::Smime, true, Out::Memory))),
                    Box::new(move || {
                        floor::sha256(&entity_like(10 * 1024));
                        (0..if cached { 1 } else { 3 }).for_each(|_| check());
                        floor::decode_base64(4 * 1024);
                    }),
                );
            }
        }
        self.paths();
        for (name, gcm, target) in
            [("encrypt for 1, RSA-2048, GCM, S/MIME", true, 2.0), ("encrypt for 1, RSA-2048, CBC, S/MIME", false, 1.6)]
        {
            if self.wants(name) {
                self.encrypt(name, target, std::slice::from_ref(&m.rsa2048), gcm, &entity, Bare::Rsa);
            }
        }
        if self.wants("encrypt for 100, RSA-2048, one thread") {
            self.encrypt("encrypt for 100, RSA-2048, one thread", 1.3, &m.many_rsa, true, &entity, Bare::Rsa);
        }
        if self.wants("encrypt for 100, P-256") {
            self.encrypt("encrypt for 100, P-256", 1.6, &m.many_p256, true, &entity, Bare::Ec);
        }
        for (work, people, target) in [
            ("decrypt RSA-2048 for 1, S/MIME", std::slice::from_ref(&m.rsa2048), 1.0),
            ("decrypt RSA-2048 among 100, S/MIME", &m.many_rsa[..], 2.0),
            ("decrypt P-256 for 1, S/MIME", std::slice::from_ref(&m.p256), 1.4),
            ("decrypt P-256 among 100, S/MIME", &m.many_p256[..], 5.0),
        ] {
            if self.wants(work) {
                self.decrypt(work, target, people, &entity);
            }
        }
    }

    /// Three certificates, two signatures: the chain comes in DER as a message brings it, or was parsed before, or was
    /// seen before as well.
    fn paths(&mut self) {
        let m = self.material;
        let trust = Trust::new(m.root.certificate());
        let (leaf, between) = (m.rsa2048.certificate(), &m.rsa2048.credential.chain()[0]);
        let anchors = m.anchors();
        let policy = pki::PathPolicy::at(m.now).purpose(pki::Purpose::Sign);
        let parse =
            |certificate: &pki::Certificate| pki::Certificate::from_der(certificate.der()).expect("a certificate");
        let chain = Chain::from_der(leaf.der(), between.der());
        let cache = pki::PathCache::new();
        let bare = || floor::RsaSigner::new(&m.rsa2048).verification_with_known_key(&[7; 900]);
        let name = "check a path of 3 certificates, RSA-2048, from DER";
        if self.wants(name) {
            // The root's key was used before; the CA's comes along.
            let (mut check, mut known) = (verification(&m.rsa2048), bare());
            self.row(
                self.effort,
                name,
                2.0,
                Box::new(|| ours::check_path(&anchors, &policy, None, &parse(leaf), &parse(between))),
                Box::new(|| trust.check_path(&Chain::from_der(leaf.der(), between.der()))),
                Box::new(|| {
                    check();
                    known();
                }),
            );
        }
        for (how, cached) in [("parsed before", false), ("parsed before, with a cache", true)] {
            let name = format!("check a path of 3 certificates, RSA-2048, {how}");
            if self.wants(&name) {
                let mut known = bare();
                self.row(
                    self.effort,
                    &name,
                    2.0,
                    Box::new(|| ours::check_path(&anchors, &policy, cached.then_some(&cache), leaf, between)),
                    Box::new(|| trust.check_path(&chain)),
                    Box::new(|| (0..if cached { 0 } else { 2 }).for_each(|_| known())),
                );
            }
        }
    }

    fn sign(&mut self, work: &str, target: f64, person: &'a Person, entity: &[u8], smime: bool, mut bare: Work<'_>) {
        let m = self.material;
        let (peer, mail) = (Peer::new(person), mail(&person.address, entity));
        let outer = outer_fields(&person.address);
        let form = if smime { Form::Smime } else { Form::Der };
        self.row(
            self.effort,
            work,
            target,
            Box::new(|| {
                drop(if smime {
                    ours::sign_mail(person, m, &mail, SignatureForm::Clear)
                } else {
                    ours::sign_der(person, m, entity)
                });
            }),
            Box::new(|| drop(peer.sign(outer.as_bytes(), entity, form, Out::Memory))),
            Box::new(|| {
                floor::sha256(entity);
                bare();
                if smime {
                    floor::encode_base64(3 * 1024);
                }
            }),
        );
    }

    fn encrypt(&mut self, work: &str, target: f64, people: &[Person], gcm: bool, entity: &[u8], bare: Bare) {
        let (peer, encryptor) = (Recipients::new(people), ours::encryptor(people, gcm));
        let mail = mail("alice@example.org", entity);
        let outer = outer_fields("alice@example.org");
        let mut transport = floor::rsa_encryption(&self.material.rsa2048);
        self.row(
            self.effort,
            work,
            target,
            Box::new(|| drop(encryptor.encrypt(&mail).expect("a message"))),
            Box::new(|| drop(peer.encrypt(outer.as_bytes(), entity, gcm, Form::Smime, Out::Memory))),
            Box::new(|| {
                match bare {
                    Bare::Rsa => people.iter().for_each(|_| transport()),
                    Bare::Ec => floor::agreements(people.len()),
                }
                if gcm {
                    floor::gcm(entity.len())
                } else {
                    floor::cbc_encrypt(entity.len())
                }
                floor::encode_base64(entity.len());
            }),
        );
    }

    fn decrypt(&mut self, work: &str, target: f64, people: &[Person], entity: &[u8]) {
        // The message is the rival's; of many recipients we are in the middle.
        let outer = outer_fields("alice@example.org");
        let message = Recipients::new(people).encrypt(outer.as_bytes(), entity, true, Form::Smime, Out::Memory);
        let me = &people[people.len() / 2];
        let (peer, credentials, limits) = (Peer::new(me), [me.credential.clone()], ours::limits());
        let rsa = matches!(me.credential.key().public_key().kind(), crypto::PublicKeyKind::Rsa { .. });
        let mut bare: Work<'_> =
            if rsa { Box::new(floor::rsa_decryption(me)) } else { Box::new(floor::agreement_with_known_key()) };
        self.row(
            self.effort,
            work,
            target,
            Box::new(|| ours::decrypt(&credentials, &limits, &message)),
            Box::new(|| drop(peer.decrypt(&message, Form::Smime, Out::Memory))),
            Box::new(|| {
                bare();
                floor::gcm(entity.len());
                floor::decode_base64(entity.len());
            }),
        );
    }

    pub fn large_mails(&mut self, size: usize) {
        let m = self.material;
        let megabytes = size >> 20;
        let entity = attachment_entity(size);
        let outer = outer_fields(&m.rsa2048.address);
        let trust = Trust::new(m.root.certificate());
        let peer = Peer::new(&m.rsa2048);
        let policy = ours::policy(m, false);
        for (form, target) in [("clear-signed", 15.0), ("opaque", 4.0)] {
            let work = format!("{megabytes} MiB: verify {form}");
            if !self.wants(&work) {
                continue;
            }
            let message = if form == "opaque" {
                peer.sign_opaque(outer.as_bytes(), &entity)
            } else {
                peer.sign(outer.as_bytes(), &entity, Form::Smime, Out::Memory)
            };
            self.row(
                self.heavy,
                &work,
                target,
                Box::new(|| ours::verify_mail(&policy, &message)),
                Box::new(|| drop(trust.verify(&message, Form::Smime, true, Out::Held))),
                Box::new(|| {
                    floor::sha256(&entity);
                    if form == "opaque" {
                        floor::decode_base64(entity.len());
                    }
                }),
            );
        }
        let recipients = Recipients::new([&m.rsa2048]);
        let (credentials, limits) = ([m.rsa2048.credential.clone()], ours::limits());
        for (cipher, gcm, target) in [("CBC", false, 6.0), ("GCM", true, 4.0)] {
            for form in [Form::Der, Form::Smime] {
                let name = if form == Form::Der { "DER" } else { "S/MIME" };
                let work = format!("{megabytes} MiB: decrypt {cipher}, {name}");
                if !self.wants(&work) {
                    continue;
                }
                let message = recipients.encrypt(outer.as_bytes(), &entity, gcm, form, Out::Memory);
                self.row(
                    self.heavy,
                    &work,
                    target,
                    Box::new(|| ours::decrypt(&credentials, &limits, &message)),
                    Box::new(|| drop(peer.decrypt(&message, form, Out::Held))),
                    Box::new(|| {
                        if gcm {
                            floor::gcm(entity.len())
                        } else {
                            floor::cbc_decrypt(entity.len())
                        }
                        if form == Form::Smime {
                            floor::decode_base64(entity.len());
                        }
                    }),
                );
            }
        }
        let whole = mail("alice@example.org", &entity);
        for (cipher, gcm, target) in [("CBC", false, 1.2), ("GCM", true, 1.3)] {
            let work = format!("{megabytes} MiB: encrypt {cipher}, S/MIME");
            if !self.wants(&work) {
                continue;
            }
            let encryptor = ours::encryptor(std::slice::from_ref(&m.rsa2048), gcm);
            self.row(
                self.heavy,
                &work,
                target,
                Box::new(|| {
                    encryptor.encrypt_to(&mut whole.as_slice(), &mut std::io::sink()).expect("a message");
                }),
                Box::new(|| drop(recipients.encrypt(outer.as_bytes(), &entity, gcm, Form::Smime, Out::Nowhere))),
                Box::new(|| {
                    if gcm {
                        floor::gcm(entity.len())
                    } else {
                        floor::cbc_encrypt(entity.len())
                    }
                    floor::encode_base64(entity.len());
                }),
            );
        }
    }

    /// One mail for a hundred by two threads, against the rival's one.
    pub fn two_threads_for_many(&mut self) {
        let work = "encrypt for 100, RSA-2048, two threads";
        if !self.wants(work) {
            return;
        }
        let people = &self.material.many_rsa;
        let entity = text_entity(10 * 1024);
        let (peer, encryptor) = (Recipients::new(people), ours::encryptor(people, true).threads(2));
        let mail = mail("alice@example.org", &entity);
        let outer = outer_fields("alice@example.org");
        let mut transport = floor::rsa_encryption(&self.material.rsa2048);
        self.row(
            self.effort,
            work,
            2.2,
            Box::new(|| drop(encryptor.encrypt(&mail).expect("a message"))),
            Box::new(|| drop(peer.encrypt(outer.as_bytes(), &entity, true, Form::Smime, Out::Memory))),
            Box::new(|| (0..50).for_each(|_| transport())),
        );
    }

    /// How much two threads do against one, each with its own messages and the same keys, policy and cache.
    pub fn two_threads(&mut self) {
        let m = self.material;
        let entity = text_entity(10 * 1024);
        let whole = mail(&m.p256.address, &entity);
        let signed = ours::sign_mail(&m.p256, m, &whole, SignatureForm::Clear);
        let policy = ours::policy(m, true);
        let encryptor = ours::encryptor(std::slice::from_ref(&m.p256), true);
        let encrypted = encryptor.encrypt(&whole).expect("a message");
        let (credentials, limits) = ([m.p256.credential.clone()], ours::limits());
        let works: [(&str, &(dyn Fn() + Sync)); 4] = [
            ("sign", &|| drop(ours::sign_mail(&m.p256, m, &whole, SignatureForm::Clear))),
            ("verify", &|| ours::verify_mail(&policy, &signed)),
            ("encrypt", &|| drop(encryptor.encrypt(&whole).expect("a message"))),
            ("decrypt", &|| ours::decrypt(&credentials, &limits, &encrypted)),
        ];
        for (name, work) in works {
            let title = format!("two threads against one: {name} P-256");
            if !self.wants(&title) {
                continue;
            }
            let mut ratios = Vec::new();
            let mut times = (Vec::new(), Vec::new());
            for _ in 0..self.effort.rounds {
                let one = spin(1, self.effort.slice, work);
                let two = spin(2, self.effort.slice, work);
                ratios.push(one.as_secs_f64() / two.as_secs_f64());
                times.0.push(two);
                times.1.push(one);
            }
            ratios.sort_unstable_by(f64::total_cmp);
            times.0.sort_unstable();
            times.1.sort_unstable();
            let at = |part: f64| ratios[((ratios.len() - 1) as f64 * part) as usize];
            let comparison = Comparison {
                ours: times.0[times.0.len() / 2],
                theirs: Some(times.1[times.1.len() / 2]),
                floor: None,
                ratio: Some((at(0.25), at(0.5), at(0.75))),
            };
            self.push(Row { work: title, rival: "one thread", target: Target::Ratio(1.9), comparison });
        }
    }
}

#[derive(Clone, Copy)]
enum Bare {
    Rsa,
    Ec,
}

fn verification(person: &Person) -> Work<'static> {
    match person.credential.key().public_key().kind() {
        crypto::PublicKeyKind::Rsa { .. } => Box::new(floor::RsaSigner::new(person).verification(&[7; 300])),
        _ => Box::new(floor::EcSigner::new(person).verification(&[7; 300])),
    }
}

fn entity_like(length: usize) -> Vec<u8> {
    vec![b'x'; length]
}

/// The time of one operation when so many threads run it side by side for a while.
fn spin(threads: u32, slice: Duration, work: &(dyn Fn() + Sync)) -> Duration {
    let begin = Instant::now();
    let done: u32 = std::thread::scope(|scope| {
        let run = || {
            let mut done = 0;
            while begin.elapsed() < slice {
                work();
                done += 1;
            }
            done
        };
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        handles.into_iter().map(|handle| handle.join().unwrap_or(0)).sum()
    });
    begin.elapsed() / done.max(1)
}
