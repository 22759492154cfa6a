//! A prompt as messages: turns of a chat, or one text with delimiters.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    System,
    User,
    Assistant,
}

impl Role {
    /// The name in the protocol.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// One message of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: String,
    /// The delimiter after it if the prompt is one text.
    pub delimiter: String,
}

/// The prompt as one text.
#[must_use]
pub fn as_text(messages: &[Message]) -> String {
    messages
        .iter()
        .flat_map(|message| [message.content.as_str(), message.delimiter.as_str()])
        .collect()
}

/// The prompt as a system message and one user message.
#[must_use]
pub fn as_single_turn(messages: &[Message]) -> Vec<Message> {
    let (system, others) = match messages.split_first() {
        Some((first, others)) if first.role == Role::System => (Some(first.clone()), others),
        Some(_) | None => (None, messages),
    };
    let user = Message {
        role: Role::User,
        content: as_text(others),
        delimiter: String::new(),
    };
    system.into_iter().chain([user]).collect()
}
