//! Says no in the shape in which OpenAI's API does.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::gate::{Closed, Limit};

/// Why a request is not answered; the text is the message that the client gets, which quotes fields as the API does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    #[error("We could not parse the JSON body of your request: {0}.")]
    Unreadable(String),
    #[error("Missing required parameter: '{0}'.")]
    Missing(&'static str),
    #[error("Unsupported value for parameter '{param}': {hint}.")]
    Unsupported { param: &'static str, hint: &'static str },
    #[error("We could not process this request. (simulated)")]
    Rejected,
    #[error("Incorrect API key provided. (simulated)")]
    WrongKey,
    #[error("The model '{0}' does not exist or you do not have access to it.")]
    UnknownModel(String),
    #[error("Unknown request URL: {0}.")]
    UnknownUrl(String),
    #[error("The request body is larger than {0} bytes.")]
    TooLarge(usize),
    #[error("{}", limit_text(.model, .closed))]
    RateLimited { model: String, closed: Closed },
    #[error("The server had an error while processing your request. (simulated)")]
    Broken,
    #[error("The engine is currently overloaded, please try again later. (simulated)")]
    Overloaded,
}

fn limit_text(model: &str, closed: &Closed) -> String {
    let Closed { limit, most, used, needed, retry_after } = closed;
    let what = match limit {
        Limit::Requests => "requests per min (RPM)",
        Limit::Tokens => "tokens per min (TPM)",
        Limit::InFlight => "concurrent requests",
    };
    let again =
        if needed > most { "It can never pass".to_owned() } else { format!("Please try again in {retry_after:?}") };
    format!("Rate limit reached for {model} on {what}: Limit {most}, Used {used}, Requested {needed}. {again}.")
}

#[derive(Serialize)]
struct Body<'a> {
    error: ErrorObject<'a>,
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    message: String,
    r#type: &'a str,
    param: Option<&'a str>,
    code: Option<&'a str>,
}

impl Problem {
    /// The status of the response.
    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Self::Unreadable(_) | Self::Missing(_) | Self::Unsupported { .. } | Self::Rejected => {
                StatusCode::BAD_REQUEST
            }
            Self::WrongKey => StatusCode::UNAUTHORIZED,
            Self::UnknownModel(_) | Self::UnknownUrl(_) => StatusCode::NOT_FOUND,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn r#type(&self) -> &'static str {
        match self {
            Self::RateLimited { closed, .. } => match closed.limit {
                Limit::Requests | Limit::InFlight => "requests",
                Limit::Tokens => "tokens",
            },
            Self::Broken => "server_error",
            Self::Overloaded => "overloaded_error",
            _ => "invalid_request_error",
        }
    }

    fn code(&self) -> Option<&'static str> {
        match self {
            Self::Unreadable(_) | Self::Rejected | Self::Broken | Self::Overloaded => None,
            Self::Missing(_) => Some("missing_required_parameter"),
            Self::Unsupported { .. } => Some("unsupported_value"),
            Self::WrongKey => Some("invalid_api_key"),
            Self::UnknownModel(_) => Some("model_not_found"),
            Self::UnknownUrl(_) => Some("unknown_url"),
            Self::TooLarge(_) => Some("request_too_large"),
            Self::RateLimited { .. } => Some("rate_limit_exceeded"),
        }
    }

    fn param(&self) -> Option<&'static str> {
        match self {
            Self::Missing(param) | Self::Unsupported { param, .. } => Some(param),
            Self::UnknownModel(_) => Some("model"),
            _ => None,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let error =
            ErrorObject { message: self.to_string(), r#type: self.r#type(), param: self.param(), code: self.code() };
        let mut response = (self.status(), axum::Json(Body { error })).into_response();
        if let Self::RateLimited { closed, .. } = self {
            for (name, value) in retry_after(closed.retry_after) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// When to come back, in whole seconds and in whole milliseconds, both rounded up.
fn retry_after(wait: Duration) -> [(HeaderName, HeaderValue); 2] {
    let ms = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
    [
        (header::RETRY_AFTER, HeaderValue::from(ms.div_ceil(1000))),
        (HeaderName::from_static("retry-after-ms"), HeaderValue::from(ms)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_rounded_up_so_that_who_obeys_gets_in() {
        let values = |wait| retry_after(wait).map(|(_, value)| value.to_str().unwrap().to_owned());
        assert_eq!(values(Duration::from_micros(1500)), ["1", "2"]);
        assert_eq!(values(Duration::from_secs(2)), ["2", "2000"]);
        assert_eq!(values(Duration::ZERO), ["0", "0"]);
    }

    #[test]
    fn a_call_that_never_fits_is_told_so() {
        let closed =
            Closed { limit: Limit::Tokens, most: 10, used: 0, needed: 11, retry_after: Duration::from_mins(1) };
        let text = Problem::RateLimited { model: "m".to_owned(), closed }.to_string();
        assert_eq!(
            text,
            "Rate limit reached for m on tokens per min (TPM): Limit 10, Used 0, Requested 11. It can never pass."
        );
    }
}
