//! What the model is shown: the customer's messages, and the retrieved passages before the last question.

use models::{ChatMessage, Role};

use crate::clusters::RetrievedText;

/// Put before the passages. Short, because a small model follows little else.
const INSTRUCTION: &str = "Answer the question by quoting from these texts.";

/// How the answer to a question with passages begins. The model continues it, and what continues an opened quotation is
/// a quotation: asked without it, a model of this size paraphrases and invents.
pub const OPENING: &str = "The text says: \"";

/// The conversation with passages in front of the last user message. Without passages it is unchanged.
pub fn with_passages(messages: &[ChatMessage], passages: &[RetrievedText]) -> Vec<ChatMessage> {
    let mut messages = messages.to_vec();
    let Some(question) = messages.iter_mut().rev().find(|message| message.role == Role::User)
    else {
        return messages;
    };
    if passages.is_empty() {
        return messages;
    }
    // The best passage stands last, nearest to the question.
    let texts: Vec<&str> = passages.iter().rev().map(|passage| passage.text.trim()).collect();
    question.content =
        format!("{INSTRUCTION}\n\n{}\n\nQuestion: {}", texts.join("\n\n"), question.content);
    messages
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;
    use scores::{ContributionId, exchange::RetrievedChunk};

    use super::*;

    fn passage(text: &str) -> RetrievedText {
        let reference =
            RetrievedChunk { contribution: ContributionId(1), chunk: 0, hash: B256::ZERO };
        RetrievedText { reference, text: text.into() }
    }

    fn message(role: Role, content: &str) -> ChatMessage {
        ChatMessage { role, content: content.into() }
    }

    #[test]
    fn the_best_passage_stands_next_to_the_last_question() {
        let messages = [
            message(Role::User, "one"),
            message(Role::Assistant, "two"),
            message(Role::User, "three?"),
        ];
        let shown = with_passages(&messages, &[passage("best\n"), passage("good")]);
        assert_eq!(shown[..2], messages[..2]);
        assert_eq!(shown[2].content, format!("{INSTRUCTION}\n\ngood\n\nbest\n\nQuestion: three?"));
    }

    #[test]
    fn without_passages_nothing_changes() {
        let messages = [message(Role::User, "one")];
        assert_eq!(with_passages(&messages, &[]), messages);
    }
}
