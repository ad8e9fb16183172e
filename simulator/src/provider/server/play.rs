//! Gives the requests at a case's base URL the answer of the case, where it is for them.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;

use super::super::api_error::ApiError;
use super::super::completion::CallTokens;
use super::super::playing::{Asked, Playing};
use super::super::request::ChatRequest;
use super::super::stats::Event;
use super::super::{fault, tokens};
use super::{Call, ProviderState};
use crate::person::Kind;

pub(super) async fn chat_of_case(
    State(state): State<Arc<ProviderState>>,
    Path(case): Path<usize>,
    request: Request,
) -> Response {
    state.counter.count(Event::Requested);
    let response = match case.checked_sub(1).filter(|&at| at < state.cases.len()) {
        Some(at) => state.chat(request, None, Some(at)).await,
        None => Err(ApiError::UnknownUrl(request.uri().path().to_owned())),
    };
    state.finished(response)
}

impl ProviderState {
    /// The answer of a case, if it is for this request.
    pub(super) fn play(&self, case: &Playing, request: &ChatRequest<'_>, body: &[u8]) -> Option<Response> {
        let ChatRequest { conversation, max_tokens, .. } = request;
        let (kind, digest) = (Kind::of(&conversation.messages), conversation.digest());
        let asked = Asked { digest, is_story: kind == Kind::Story, body };
        case.is_for(asked, self.options.seed).then(|| {
            case.response(|| {
                let reply = self.reply(kind, conversation, digest);
                let message = fault::finish_reply(&self.options, digest, reply, *max_tokens);
                let [input, output] =
                    [conversation.text().len(), message.content.as_deref().map_or(0, str::len)].map(tokens::tokens);
                let tokens = CallTokens { input, cached_input: 0, output };
                self.body(Call { model: &conversation.model, digest, attempt: 1, tokens }, &message)
            })
        })
    }
}
