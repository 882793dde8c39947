use std::io::Read;

use ureq::http::{Response, StatusCode};

/// A person at a browser, as far as the story needs one: follows links, keeps cookies, fills in forms.
#[derive(Debug)]
pub(crate) struct Browser {
    agent: ureq::Agent,
    base: String,
}

/// A page as it was answered, redirects followed.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) path: String,
    pub(crate) html: String,
}

/// A file for an upload form.
#[derive(Debug)]
pub(crate) struct Upload<'a> {
    pub(crate) field: &'a str,
    pub(crate) file_name: &'a str,
    pub(crate) bytes: &'a [u8],
}

impl Browser {
    const LARGEST_PAGE: u64 = 4 << 20;

    /// A fresh browser without cookies; `base` is `http://HOST:PORT`.
    pub(crate) fn new(base: &str) -> Self {
        let config = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(5).build();
        Self { agent: config.into(), base: base.trim_end_matches('/').to_owned() }
    }

    /// Opens a path, or a link that was mailed, as long as it leads to this portal.
    pub(crate) fn open(&self, path: &str) -> Result<Page, String> {
        let url = self.url(path)?;
        let response = self.agent.get(&url).header("Accept-Language", "de").call();
        Self::page(response.map_err(|error| format!("GET {path}: {error}"))?)
    }

    /// Submits the form that stands on `page` to `path`: its hidden fields, and `fields`.
    pub(crate) fn submit(&self, page: &Page, path: &str, fields: &[(&str, &str)]) -> Result<Page, String> {
        let hidden = page.hidden_fields();
        let all = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(fields.iter().copied());
        let request = self.agent.post(&self.url(path)?).header("Sec-Fetch-Site", "same-origin");
        Self::page(request.send_form(all).map_err(|error| format!("POST {path}: {error}"))?)
    }

    /// Submits an upload form.
    pub(crate) fn upload(&self, page: &Page, path: &str, upload: &Upload<'_>) -> Result<Page, String> {
        const BOUNDARY: &str = "----sealpost-demo-form-boundary";
        let mut body = Vec::new();
        for (name, value) in page.hidden_fields() {
            body.extend_from_slice(
                format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
                    .as_bytes(),
            );
        }
        let Upload { field, file_name, bytes } = upload;
        body.extend_from_slice(
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{file_name}\"\r\nContent-Type: application/octet-stream\r\n\r\n").as_bytes(),
        );
        body.extend_from_slice(bytes);
        body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
        let request = self
            .agent
            .post(&self.url(path)?)
            .header("Sec-Fetch-Site", "same-origin")
            .header("Content-Type", &format!("multipart/form-data; boundary={BOUNDARY}"));
        Self::page(request.send(&body[..]).map_err(|error| format!("POST {path}: {error}"))?)
    }

    fn url(&self, path: &str) -> Result<String, String> {
        match path.strip_prefix(&self.base) {
            Some(own) => Ok(format!("{}{own}", self.base)),
            None if path.starts_with('/') => Ok(format!("{}{path}", self.base)),
            None => Err(format!("{path} leads elsewhere than to {}", self.base)),
        }
    }

    fn page(response: Response<ureq::Body>) -> Result<Page, String> {
        use ureq::ResponseExt as _;
        let status: StatusCode = response.status();
        let path = response.get_uri().path().to_owned();
        let mut html = Vec::new();
        let mut reader = response.into_body().into_reader().take(Self::LARGEST_PAGE);
        reader.read_to_end(&mut html).map_err(|error| format!("{path}: {error}"))?;
        Ok(Page { status: status.as_u16(), path, html: String::from_utf8_lossy(&html).into_owned() })
    }
}

impl Page {
    /// What a person reads: the text without tags, white space folded, the five entities resolved.
    pub(crate) fn text(&self) -> String {
        let mut text = String::with_capacity(self.html.len() / 2);
        let mut in_tag = false;
        // Where a line may break, no word ends.
        for character in self.html.replace("<wbr>", "").chars() {
            match character {
                '<' => {
                    in_tag = true;
                    text.push(' ');
                }
                '>' if in_tag => in_tag = false,
                _ if in_tag => {}
                other => text.push(other),
            }
        }
        unescape(&text).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// `name` and `value` of each hidden input.
    pub(crate) fn hidden_fields(&self) -> Vec<(String, String)> {
        let mut fields: Vec<(String, String)> = Vec::new();
        for tag in self.html.split('<').filter(|tag| tag.starts_with("input")) {
            let tag = tag.split('>').next().unwrap_or_default();
            if let (Some("hidden"), Some(name), Some(value)) =
                (attribute(tag, "type"), attribute(tag, "name"), attribute(tag, "value"))
                && !fields.iter().any(|(known, _)| known == name)
            {
                fields.push((name.to_owned(), unescape(value)));
            }
        }
        fields
    }

    /// The first link or form target that begins with `prefix`.
    pub(crate) fn target(&self, prefix: &str) -> Option<String> {
        ["href=\"", "action=\""]
            .iter()
            .flat_map(|attribute| self.html.split(attribute).skip(1))
            .filter_map(|rest| rest.split('"').next())
            .find(|target| target.starts_with(prefix))
            .map(unescape)
    }
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    tag.split(&format!(" {name}=\"")).nth(1)?.split('"').next()
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&#38;", "&")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_as_a_person_would() {
        let page = Page {
            status: 200,
            path: "/".into(),
            html: "<h1>Schl&#38;üssel</h1>\n<form action=\"/keys/upload\"><input type=\"hidden\" name=\"csrf\" value=\"a&amp;b\"><input name=\"x\"></form>".into(),
        };
        assert_eq!(page.text(), "Schl&üssel");
        assert_eq!(page.hidden_fields(), [("csrf".to_owned(), "a&b".to_owned())]);
        assert_eq!(page.target("/keys/"), Some("/keys/upload".into()));
    }
}
