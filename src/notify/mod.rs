//! Messages to chats and other receivers.

pub mod webhook;
