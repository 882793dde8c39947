use asn1::{Oid, Tag, Writer};

use crate::{Name, oids};

/// A subject's name, in the attributes that certificates for mail use (CA/B S/MIME BR §7.1.4.2.2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// `commonName`; left out when empty.
    pub common_name: String,
    /// `organizationName`.
    pub organization: Option<String>,
    /// `organizationIdentifier`: the register and the number in it, `NTRDE-HRB 12345`.
    pub organization_identifier: Option<String>,
    /// `givenName`.
    pub given_name: Option<String>,
    /// `surname`.
    pub surname: Option<String>,
    /// `countryName`, two letters.
    pub country: Option<String>,
}

impl Subject {
    /// With a common name alone.
    pub fn named(common_name: impl Into<String>) -> Self {
        Self { common_name: common_name.into(), ..Self::default() }
    }

    /// A person, whose common name is both names.
    pub fn person(given_name: impl Into<String>, surname: impl Into<String>) -> Self {
        let (given_name, surname) = (given_name.into(), surname.into());
        let common_name = format!("{given_name} {surname}");
        Self { common_name, given_name: Some(given_name), surname: Some(surname), ..Self::default() }
    }

    /// Within an organisation.
    #[must_use]
    pub fn of(self, organization: impl Into<String>) -> Self {
        Self { organization: Some(organization.into()), ..self }
    }

    /// What of a name can be asked for again; other attributes are passed over.
    pub fn from_name(name: &Name) -> Self {
        let text = |oid| name.text_of(oid).map(str::to_owned);
        Self {
            common_name: text(oids::COMMON_NAME).unwrap_or_default(),
            organization: text(oids::ORGANIZATION),
            organization_identifier: text(oids::ORGANIZATION_IDENTIFIER),
            given_name: text(oids::GIVEN_NAME),
            surname: text(oids::SURNAME),
            country: text(oids::COUNTRY),
        }
    }

    /// Whether no attribute is there.
    pub fn is_empty(&self) -> bool {
        self.attributes().next().is_none()
    }

    /// The Name in DER.
    pub fn to_der(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|w| {
            for (oid, text) in self.attributes() {
                let mut attribute = Writer::new();
                attribute.sequence(|w| {
                    w.oid(&oid);
                    // RFC 5280 §A.1: a country is a PrintableString, all else may be a UTF8String.
                    let tag = if oid == oids::COUNTRY { Tag::PRINTABLE_STRING } else { Tag::UTF8_STRING };
                    w.primitive(tag, text.as_bytes());
                });
                w.set_of(vec![attribute.into_vec()]);
            }
        });
        writer.into_vec()
    }

    fn attributes(&self) -> impl Iterator<Item = (Oid, &str)> {
        let common_name = (!self.common_name.is_empty()).then_some(self.common_name.as_str());
        [
            (oids::COUNTRY, self.country.as_deref()),
            (oids::ORGANIZATION, self.organization.as_deref()),
            (oids::ORGANIZATION_IDENTIFIER, self.organization_identifier.as_deref()),
            (oids::SURNAME, self.surname.as_deref()),
            (oids::GIVEN_NAME, self.given_name.as_deref()),
            (oids::COMMON_NAME, common_name),
        ]
        .into_iter()
        .filter_map(|(oid, text)| text.map(|text| (oid, text)))
    }
}
