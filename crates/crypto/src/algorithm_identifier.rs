use asn1::{Error, Oid, Reader, Tag, Writer};

/// `AlgorithmIdentifier ::= SEQUENCE { algorithm OBJECT IDENTIFIER, parameters ANY OPTIONAL }`
///
/// RFC 5280 §4.1.1.2.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AlgorithmIdentifier {
    /// Which algorithm.
    pub oid: Oid,
    /// The parameters as they came, tag and length included; `None` when absent, which is not the same as NULL.
    pub parameters: Option<Vec<u8>>,
}

impl AlgorithmIdentifier {
    /// Without parameters.
    pub fn new(oid: Oid) -> Self {
        Self { oid, parameters: None }
    }

    /// With NULL, as RSA and some digests want it.
    pub fn with_null(oid: Oid) -> Self {
        Self { oid, parameters: Some(vec![0x05, 0x00]) }
    }

    /// With parameters that `write` encodes.
    pub fn with(oid: Oid, write: impl FnOnce(&mut Writer)) -> Self {
        let mut writer = Writer::new();
        write(&mut writer);
        Self { oid, parameters: Some(writer.into_vec()) }
    }

    /// Reads one.
    pub fn parse(reader: &mut Reader<'_>) -> Result<Self, Error> {
        Self::parse_inside(reader.sequence("AlgorithmIdentifier")?)
    }

    /// Reads one whose tag and length are already taken, for IMPLICIT tags.
    pub fn parse_inside(mut inside: Reader<'_>) -> Result<Self, Error> {
        let oid = inside.oid()?;
        let parameters = if inside.is_empty() { None } else { Some(inside.element()?.raw().to_vec()) };
        inside.finish()?;
        Ok(Self { oid, parameters })
    }

    /// Writes it.
    pub fn encode(&self, writer: &mut Writer) {
        self.encode_tagged(writer, Tag::SEQUENCE);
    }

    /// Writes it under an IMPLICIT tag.
    pub fn encode_tagged(&self, writer: &mut Writer, tag: Tag) {
        writer.constructed(tag, |w| {
            w.oid(&self.oid);
            if let Some(parameters) = &self.parameters {
                w.raw(parameters);
            }
        });
    }

    /// Whether the parameters are absent or NULL, which many readers must take for the same.
    pub fn has_no_parameters(&self) -> bool {
        matches!(self.parameters.as_deref(), None | Some([0x05, 0x00]))
    }
}
