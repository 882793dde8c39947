use axum::http::StatusCode;
use serde_json::{Map, Value, json};
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};

use super::fault::ProblemDetails;
use super::{Answer, people, records, requests};
use crate::routes::{Access, routes};

#[derive(OpenApi)]
#[openapi(
    info(title = "Sealpost", description = "What the pages of Sealpost do, for programs."),
    paths(
        requests::list,
        requests::show,
        requests::create,
        requests::approve,
        requests::refuse,
        records::certificates,
        records::certificates_pem,
        records::audit,
        records::verify,
        records::traces,
        people::me,
        people::person,
        people::partners,
        people::invite,
        people::contacts,
    ),
    components(schemas(ProblemDetails))
)]
struct Document;

/// The OpenAPI 3.1 document of the API, as JSON.
pub fn openapi() -> String {
    let mut document = Document::openapi();
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    document.components.get_or_insert_default().add_security_scheme("token", bearer);
    let mut document = serde_json::to_value(&document).unwrap_or_default();
    for route in routes() {
        let Access::Token { scope, .. } = route.access else { continue };
        let method = route.method.to_ascii_lowercase();
        let pointer = format!("/paths/{}/{method}", route.path.replace('/', "~1"));
        let Some(Value::Object(operation)) = document.pointer_mut(&pointer) else { continue };
        complete(operation, scope.map(|scope| scope.name()), &method, route.path.contains('{'));
    }
    // Unknown members are refused, so the document says so as well.
    for name in ["NewRequest", "NewPartner", "Decision"] {
        if let Some(Value::Object(schema)) = document.pointer_mut(&format!("/components/schemas/{name}")) {
            schema.insert("additionalProperties".into(), Value::Bool(false));
        }
    }
    format!("{document:#}\n")
}

/// What all operations have in common: the token, the scope, the answers when it does not work.
fn complete(operation: &mut Map<String, Value>, scope: Option<&str>, method: &str, named: bool) {
    let scopes: Vec<&str> = scope.into_iter().collect();
    operation.insert("security".into(), json!([{ "token": scopes }]));
    let posts = method == "post";
    let mut statuses = vec!["401", "403", "422", "429", "500", "503"];
    if named {
        statuses.extend(["400", "404"]);
    }
    if posts {
        statuses.extend(["400", "404", "409", "413", "415"]);
        let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
        if let Value::Array(parameters) = parameters {
            parameters.push(json!({
                "name": "Idempotency-Key", "in": "header", "required": false,
                "description": "For a day, the same call with the same key gets the same answer and changes nothing.",
                "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" },
            }));
        }
    }
    if let Some(Value::Object(responses)) = operation.get_mut("responses") {
        for status in statuses {
            responses.insert(
                status.into(),
                json!({
                    "description": "It was not done.",
                    "content": { "application/problem+json": {
                        "schema": { "$ref": "#/components/schemas/ProblemDetails" },
                    } },
                }),
            );
        }
    }
}

/// The document itself.
pub(crate) async fn describe() -> Answer {
    let document: Value = serde_json::from_str(&openapi()).unwrap_or_default();
    super::json(StatusCode::OK, &document)
}
