//! The errors of the API, in OpenAI's format.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::rate_limiter::{Limit, LimitExceeded};

/// Why a request is refused. The text is the message to the client, which quotes fields as the API does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ApiError {
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
    #[error("{}", limit_text(.model, .exceeded))]
    RateLimited { model: String, exceeded: LimitExceeded },
    #[error("Rate limit reached: others have used it up. (simulated)")]
    UsedUp,
    #[error("The server had an error while processing your request. (simulated)")]
    Broken,
    #[error("The engine is currently overloaded, please try again later. (simulated)")]
    Overloaded,
}

fn limit_text(model: &str, exceeded: &LimitExceeded) -> String {
    let LimitExceeded { limit, max, used, needed, retry_after } = exceeded;
    let what = match limit {
        Limit::Requests => "requests per min (RPM)",
        Limit::Tokens => "tokens per min (TPM)",
        Limit::InFlight => "concurrent requests",
    };
    let advice =
        if needed > max { "It can never pass".to_owned() } else { format!("Please try again in {retry_after:?}") };
    format!("Rate limit reached for {model} on {what}: Limit {max}, Used {used}, Requested {needed}. {advice}.")
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

impl ApiError {
    /// The HTTP status.
    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Self::Unreadable(_) | Self::Missing(_) | Self::Unsupported { .. } | Self::Rejected => {
                StatusCode::BAD_REQUEST
            }
            Self::WrongKey => StatusCode::UNAUTHORIZED,
            Self::UnknownModel(_) | Self::UnknownUrl(_) => StatusCode::NOT_FOUND,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::RateLimited { .. } | Self::UsedUp => StatusCode::TOO_MANY_REQUESTS,
            Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// When the call would be admitted, if that is known.
    pub(crate) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { exceeded, .. } => Some(exceeded.retry_after),
            _ => None,
        }
    }

    fn r#type(&self) -> &'static str {
        match self {
            Self::RateLimited { exceeded, .. } => match exceeded.limit {
                Limit::Requests | Limit::InFlight => "requests",
                Limit::Tokens => "tokens",
            },
            Self::UsedUp => "requests",
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
            Self::RateLimited { .. } | Self::UsedUp => Some("rate_limit_exceeded"),
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

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let error =
            ErrorObject { message: self.to_string(), r#type: self.r#type(), param: self.param(), code: self.code() };
        (self.status(), axum::Json(Body { error })).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_exceeds_the_limit_alone_is_told_that_it_can_never_pass() {
        let exceeded =
            LimitExceeded { limit: Limit::Tokens, max: 10, used: 0, needed: 11, retry_after: Duration::from_mins(1) };
        let text = ApiError::RateLimited { model: "m".to_owned(), exceeded }.to_string();
        assert_eq!(
            text,
            "Rate limit reached for m on tokens per min (TPM): Limit 10, Used 0, Requested 11. It can never pass."
        );
    }
}
