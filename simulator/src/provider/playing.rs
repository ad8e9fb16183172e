//! Plays a case to the requests that it is for.

use std::collections::HashSet;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::Value;

use super::fault::share_of_prompt;
use super::replay::{Case, To};

/// The share of prompts that get the answer of a case which is not for all.
const SHARE: f64 = 0.01;

/// A case that is being played.
#[derive(Debug)]
pub(crate) struct Playing {
    case: Case,
    has_answered: AtomicBool,
    /// Prompts that got the answer, of a case after which they are answered well.
    played: Mutex<HashSet<u128>>,
}

/// A request, as far as it decides whether a case is played.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) digest: u128,
    pub(crate) is_story: bool,
    pub(crate) body: &'a [u8],
}

impl Playing {
    pub(crate) fn new(case: Case) -> Self {
        Self { case, has_answered: AtomicBool::new(false), played: Mutex::default() }
    }

    /// Whether this request gets the answer of the case.
    pub(crate) fn is_for(&self, Asked { digest, is_story, body }: Asked<'_>, seed: u64) -> bool {
        let sends_it = |field: &String| {
            serde_json::from_slice::<Value>(body).is_ok_and(|request| request.get(field.as_str()).is_some())
        };
        if !self.case.while_sent.as_ref().is_none_or(sends_it) {
            return false;
        }
        if self.case.to == To::All {
            return true;
        }
        let is_drawn = share_of_prompt(digest, seed) < self.case.share.unwrap_or(SHARE);
        let may_be = is_drawn && !is_story && self.has_answered.load(Ordering::Relaxed);
        may_be && (self.case.to == To::One || self.is_first(digest))
    }

    fn is_first(&self, digest: u128) -> bool {
        self.played.lock().unwrap_or_else(PoisonError::into_inner).insert(digest)
    }

    /// Records that a request was answered well.
    pub(crate) fn answered(&self) {
        self.has_answered.store(true, Ordering::Relaxed);
    }

    /// The answer of the case. `ordinary` is the body of the completion that the prompt would get otherwise.
    pub(crate) fn response(&self, ordinary: impl FnOnce() -> Vec<u8>) -> Response {
        let Case { body, status, headers, .. } = &self.case;
        let body = if self.case.is_ordinary() {
            self.with_usage(ordinary())
        } else {
            body.clone().unwrap_or_default().into_bytes()
        };
        let body = if self.case.is_compressed() { compressed(&body) } else { body };
        let mut response = Response::new(Body::from(Bytes::from(body)));
        *response.status_mut() = StatusCode::from_u16(*status).unwrap_or(StatusCode::OK);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }

    fn with_usage(&self, ordinary: Vec<u8>) -> Vec<u8> {
        let usage = self.case.usage.as_deref().and_then(|usage| serde_json::from_str::<Value>(usage).ok());
        let completion = serde_json::from_slice::<Value>(&ordinary).ok();
        let (Some(usage), Some(mut completion)) = (usage, completion) else { return ordinary };
        completion["usage"] = usage;
        completion.to_string().into_bytes()
    }
}

fn compressed(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body).and_then(|()| encoder.finish()).expect("writing to memory does not fail")
}

#[cfg(test)]
mod tests {
    use super::super::replay::Cases;
    use super::*;

    fn playing(toml: &str) -> Playing {
        Playing::new(Cases::from_toml(toml).expect("reads").cases.remove(0))
    }

    #[test]
    fn a_case_is_played_to_those_that_it_is_for() {
        let asked = |digest, is_story| Asked { digest, is_story, body: b"{\"temperature\":0}" };
        let all = playing("[[case]]\nname = 'a'\nto = 'all'\nstatus = 400");
        assert!(all.is_for(asked(1, true), 0));
        let while_sent = playing("[[case]]\nname = 'a'\nto = 'all'\nstatus = 400\nwhile_sent = 'top_p'");
        assert!(!while_sent.is_for(asked(1, true), 0));
        let one = playing("[[case]]\nname = 'a'\nto = 'one'\nstatus = 400\nshare = 1");
        assert!(!one.is_for(asked(1, false), 0), "nothing was answered");
        one.answered();
        assert!(one.is_for(asked(1, false), 0) && one.is_for(asked(1, false), 0) && !one.is_for(asked(2, true), 0));
        let some = playing("[[case]]\nname = 'a'\nto = 'some'\nstatus = 400\nshare = 1");
        some.answered();
        assert!(some.is_for(asked(1, false), 0) && !some.is_for(asked(1, false), 0));
    }
}
