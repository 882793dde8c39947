//! OpenSSL's CMS in this process, through its own C interface: what `openssl cms` calls.

use std::ffi::{c_char, c_int, c_long, c_uint, c_void};
use std::ptr;

use foreign_types::{ForeignType as _, ForeignTypeRef as _};
use openssl::pkey::{PKey, Private};
use openssl::stack::Stack;
use openssl::x509::store::{X509Store, X509StoreBuilder};
use openssl::x509::{X509, X509StoreContext};
use openssl_sys as sys;

use crate::material::Person;

enum Cms {}
enum RecipientInfo {}

unsafe extern "C" {
    fn CMS_ContentInfo_free(cms: *mut Cms);
    fn CMS_sign(
        certificate: *mut sys::X509,
        key: *mut sys::EVP_PKEY,
        others: *mut sys::stack_st_X509,
        data: *mut sys::BIO,
        flags: c_uint,
    ) -> *mut Cms;
    fn CMS_verify(
        cms: *mut Cms,
        certificates: *mut sys::stack_st_X509,
        store: *mut sys::X509_STORE,
        detached: *mut sys::BIO,
        out: *mut sys::BIO,
        flags: c_uint,
    ) -> c_int;
    fn CMS_encrypt(
        certificates: *mut sys::stack_st_X509,
        data: *mut sys::BIO,
        cipher: *const sys::EVP_CIPHER,
        flags: c_uint,
    ) -> *mut Cms;
    fn CMS_add1_recipient_cert(cms: *mut Cms, certificate: *mut sys::X509, flags: c_uint) -> *mut RecipientInfo;
    fn CMS_RecipientInfo_get0_pkey_ctx(info: *mut RecipientInfo) -> *mut sys::EVP_PKEY_CTX;
    fn CMS_decrypt(
        cms: *mut Cms,
        key: *mut sys::EVP_PKEY,
        certificate: *mut sys::X509,
        detached: *mut sys::BIO,
        out: *mut sys::BIO,
        flags: c_uint,
    ) -> c_int;
    fn SMIME_write_CMS(out: *mut sys::BIO, cms: *mut Cms, data: *mut sys::BIO, flags: c_int) -> c_int;
    fn SMIME_read_CMS(source: *mut sys::BIO, content: *mut *mut sys::BIO) -> *mut Cms;
    fn i2d_CMS_bio_stream(out: *mut sys::BIO, cms: *mut Cms, data: *mut sys::BIO, flags: c_int) -> c_int;
    fn i2d_CMS_bio(out: *mut sys::BIO, cms: *mut Cms) -> c_int;
    fn d2i_CMS_bio(source: *mut sys::BIO, cms: *mut *mut Cms) -> *mut Cms;
    fn X509_STORE_CTX_set_default(context: *mut sys::X509_STORE_CTX, name: *const c_char) -> c_int;
    fn BIO_s_null() -> *const sys::BIO_METHOD;
    fn EVP_PKEY_CTX_set_rsa_padding(context: *mut sys::EVP_PKEY_CTX, padding: c_int) -> c_int;
    fn EVP_PKEY_CTX_set_rsa_oaep_md(context: *mut sys::EVP_PKEY_CTX, digest: *const sys::EVP_MD) -> c_int;
}

const NO_SIGNER_CERT_VERIFY: c_uint = 0x20;
const DETACHED: c_uint = 0x40;
const BINARY: c_uint = 0x80;
const STREAM: c_uint = 0x1000;
const PARTIAL: c_uint = 0x4000;
const KEY_PARAM: c_uint = 0x4_0000;
const OAEP_PADDING: c_int = 4;

/// How CMS travels.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Der,
    Smime,
}

/// The same people as OpenSSL has them.
pub struct Peer {
    key: PKey<Private>,
    certificate: X509,
    chain: Stack<X509>,
}

/// A chain of BIOs that is freed.
struct Bio(*mut sys::BIO);

impl Bio {
    fn over(bytes: &[u8]) -> Self {
        let length = c_int::try_from(bytes.len()).expect("below 2 GiB");
        // SAFETY: the BIO only reads, and is freed before `bytes` goes: callers keep both in one scope.
        Self(unsafe { sys::BIO_new_mem_buf(bytes.as_ptr().cast(), length) })
    }

    fn memory() -> Self {
        // SAFETY: no arguments that could be wrong.
        Self(unsafe { sys::BIO_new(sys::BIO_s_mem()) })
    }

    fn null() -> Self {
        // SAFETY: no arguments that could be wrong.
        Self(unsafe { sys::BIO_new(BIO_s_null()) })
    }

    fn to_vec(&self) -> Vec<u8> {
        let mut start: *mut c_void = ptr::null_mut();
        // SAFETY: BIO_CTRL_INFO (3) of a memory BIO gives its length and sets the pointer to its octets.
        unsafe {
            let length = sys::BIO_ctrl(self.0, 3, 0, (&raw mut start).cast());
            std::slice::from_raw_parts(start.cast::<u8>(), usize::try_from(length as c_long).expect("a length"))
                .to_vec()
        }
    }

    fn write(&self, bytes: &[u8]) {
        let length = c_int::try_from(bytes.len()).expect("short");
        // SAFETY: pointer and length are those of a slice.
        unsafe { sys::BIO_write(self.0, bytes.as_ptr().cast(), length) };
    }
}

impl Drop for Bio {
    fn drop(&mut self) {
        // SAFETY: made by this type and freed once; null is allowed.
        unsafe { sys::BIO_free_all(self.0) }
    }
}

struct Message(*mut Cms);

impl Message {
    fn checked(cms: *mut Cms) -> Self {
        assert!(!cms.is_null(), "OpenSSL: {}", openssl::error::ErrorStack::get());
        Self(cms)
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        // SAFETY: made by OpenSSL for this type and freed once.
        unsafe { CMS_ContentInfo_free(self.0) }
    }
}

fn must(result: c_int) {
    assert!(result == 1, "OpenSSL: {}", openssl::error::ErrorStack::get());
}

/// Where output goes.
#[derive(Clone, Copy)]
pub enum Out {
    Memory,
    /// Into memory, as content is held back that may not be shown yet.
    Held,
    Nowhere,
}

impl Out {
    fn bio(self) -> Bio {
        match self {
            Self::Memory | Self::Held => Bio::memory(),
            Self::Nowhere => Bio::null(),
        }
    }

    fn take(self, bio: &Bio) -> Vec<u8> {
        match self {
            Self::Memory => bio.to_vec(),
            Self::Held | Self::Nowhere => Vec::new(),
        }
    }
}

impl Peer {
    pub fn new(person: &Person) -> Self {
        let mut chain = Stack::new().expect("a stack");
        for certificate in person.credential.chain() {
            chain.push(X509::from_der(certificate.der()).expect("a certificate")).expect("room");
        }
        Self {
            key: PKey::private_key_from_pkcs8(&person.pkcs8).expect("a key"),
            certificate: X509::from_der(person.certificate().der()).expect("a certificate"),
            chain,
        }
    }

    /// Signs an entity: opaque in DER, clear as a mail behind `outer`.
    pub fn sign(&self, outer: &[u8], entity: &[u8], form: Form, out: Out) -> Vec<u8> {
        let (data, sink) = (Bio::over(entity), out.bio());
        let flags = if form == Form::Der { BINARY } else { BINARY | STREAM | DETACHED };
        // SAFETY: all pointers are of live objects; the flags ask for nothing that takes ownership.
        unsafe {
            let cms = Message::checked(CMS_sign(
                self.certificate.as_ptr(),
                self.key.as_ptr(),
                self.chain.as_ptr(),
                data.0,
                flags,
            ));
            if form == Form::Der {
                must(i2d_CMS_bio(sink.0, cms.0));
            } else {
                sink.write(outer);
                must(SMIME_write_CMS(sink.0, cms.0, data.0, flags as c_int));
            }
        }
        out.take(&sink)
    }

    /// Signs a mail the opaque way.
    pub fn sign_opaque(&self, outer: &[u8], entity: &[u8]) -> Vec<u8> {
        let (data, sink) = (Bio::over(entity), Bio::memory());
        let flags = BINARY | STREAM;
        // SAFETY: as in `sign`.
        unsafe {
            let cms = Message::checked(CMS_sign(
                self.certificate.as_ptr(),
                self.key.as_ptr(),
                self.chain.as_ptr(),
                data.0,
                flags,
            ));
            sink.write(outer);
            must(SMIME_write_CMS(sink.0, cms.0, data.0, flags as c_int));
        }
        sink.to_vec()
    }

    /// Decrypts, and gives what was in it.
    pub fn decrypt(&self, message: &[u8], form: Form, out: Out) -> Vec<u8> {
        let (source, sink) = (Bio::over(message), out.bio());
        // SAFETY: all pointers are of live objects.
        unsafe {
            let cms = read(&source, form, &mut ptr::null_mut());
            let (key, certificate) = (self.key.as_ptr(), self.certificate.as_ptr());
            must(CMS_decrypt(cms.0, key, certificate, ptr::null_mut(), sink.0, BINARY));
        }
        out.take(&sink)
    }
}

unsafe fn read(source: &Bio, form: Form, content: &mut *mut sys::BIO) -> Message {
    // SAFETY: `source` is live, and the pointer is one to write to.
    Message::checked(unsafe {
        match form {
            Form::Der => d2i_CMS_bio(source.0, ptr::null_mut()),
            Form::Smime => SMIME_read_CMS(source.0, content),
        }
    })
}

/// Recipients as OpenSSL has them.
pub struct Recipients(Vec<X509>);

impl Recipients {
    pub fn new<'a>(people: impl IntoIterator<Item = &'a Person>) -> Self {
        let one = |person: &Person| X509::from_der(person.certificate().der()).expect("a certificate");
        Self(people.into_iter().map(one).collect())
    }

    /// Encrypts an entity, with RSAES-OAEP and SHA-256 for RSA keys as we do.
    pub fn encrypt(&self, outer: &[u8], entity: &[u8], gcm: bool, form: Form, out: Out) -> Vec<u8> {
        let (data, sink) = (Bio::over(entity), out.bio());
        // SAFETY: all pointers are of live objects; the recipient information belongs to the message.
        unsafe {
            let cipher = if gcm { sys::EVP_aes_256_gcm() } else { sys::EVP_aes_256_cbc() };
            let flags = BINARY | STREAM | PARTIAL;
            let cms = Message::checked(CMS_encrypt(ptr::null_mut(), data.0, cipher, flags));
            for certificate in &self.0 {
                let rsa = certificate.public_key().is_ok_and(|key| key.id() == openssl::pkey::Id::RSA);
                let flags = if rsa { KEY_PARAM } else { 0 };
                let info = CMS_add1_recipient_cert(cms.0, certificate.as_ptr(), flags);
                assert!(!info.is_null(), "OpenSSL: {}", openssl::error::ErrorStack::get());
                if rsa {
                    let context = CMS_RecipientInfo_get0_pkey_ctx(info);
                    must(EVP_PKEY_CTX_set_rsa_padding(context, OAEP_PADDING));
                    must(EVP_PKEY_CTX_set_rsa_oaep_md(context, sys::EVP_sha256()));
                }
            }
            if form == Form::Der {
                must(i2d_CMS_bio_stream(sink.0, cms.0, data.0, flags as c_int));
            } else {
                sink.write(outer);
                must(SMIME_write_CMS(sink.0, cms.0, data.0, flags as c_int));
            }
        }
        out.take(&sink)
    }
}

/// A certificate and those between it and the root, as OpenSSL has them.
pub struct Chain(X509, Stack<X509>);

impl Chain {
    pub fn from_der(leaf: &[u8], between: &[u8]) -> Self {
        let mut chain = Stack::new().expect("a stack");
        chain.push(X509::from_der(between).expect("a certificate")).expect("room");
        Self(X509::from_der(leaf).expect("a certificate"), chain)
    }
}

/// Whom OpenSSL trusts.
pub struct Trust(X509Store);

impl Trust {
    pub fn new(root: &pki::Certificate) -> Self {
        let mut store = X509StoreBuilder::new().expect("a store");
        store.add_cert(X509::from_der(root.der()).expect("a certificate")).expect("room");
        Self(store.build())
    }

    /// X509_verify_cert for signing mail.
    pub fn check_path(&self, Chain(leaf, chain): &Chain) {
        let mut context = X509StoreContext::new().expect("a context");
        let verified = context.init(&self.0, leaf, chain, |context| {
            // SAFETY: the context is live, and the name ends with zero.
            must(unsafe { X509_STORE_CTX_set_default(context.as_ptr(), c"smime_sign".as_ptr()) });
            context.verify_cert()
        });
        assert!(verified.expect("a verdict"));
    }

    /// Verifies a message, with its chain if `chain`, and gives its content.
    pub fn verify(&self, message: &[u8], form: Form, chain: bool, out: Out) -> Vec<u8> {
        let (source, sink) = (Bio::over(message), out.bio());
        let flags = if chain { BINARY } else { BINARY | NO_SIGNER_CERT_VERIFY };
        let mut content = ptr::null_mut();
        // SAFETY: all pointers are of live objects; the content's BIO is ours to free.
        unsafe {
            let cms = read(&source, form, &mut content);
            let content = Bio(content);
            must(CMS_verify(cms.0, ptr::null_mut(), self.0.as_ref().as_ptr(), content.0, sink.0, flags));
        }
        out.take(&sink)
    }
}
