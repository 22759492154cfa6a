//! Progress of a pull: the state of each layer, from the messages that the daemon streams during the pull
//! (<https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Image/operation/ImageCreate>).

use std::collections::BTreeMap;

use bollard::models::{CreateImageInfo, ProgressDetail};

#[derive(Debug, Default)]
struct Layer {
    state: String,
    /// Downloaded bytes.
    have: u64,
    /// Compressed size, bytes; 0 until the daemon reports it.
    size: u64,
    loaded: bool,
    /// Never set by Podman, which does not report it.
    unpacked: bool,
}

/// The layers of an image during its pull.
#[derive(Debug, Default)]
pub(super) struct Layers(BTreeMap<String, Layer>);

impl Layers {
    /// Processes a message. Returns a line for the log only if a layer's state changed, because each percent is a message.
    pub(super) fn update(&mut self, message: CreateImageInfo) -> Option<String> {
        let status = message.status.filter(|status| !status.is_empty())?;
        let Some(id) = message.id.filter(|_| !status.starts_with("Pulling from")) else {
            return Some(status);
        };
        // `Retrying in 5 seconds` counts down; each message would be a new state.
        let state = if status.starts_with("Retrying") {
            "Retrying"
        } else {
            status.as_str()
        };
        let line = format!("{id} {state}");
        let layer = self.0.entry(id).or_default();
        layer.advance(state, message.progress_detail);
        if layer.state == state {
            return None;
        }
        state.clone_into(&mut layer.state);
        Some(line)
    }

    /// One line about all layers.
    pub(super) fn summary(&self) -> String {
        if self.0.is_empty() {
            return "no layers reported yet".to_owned();
        }
        let (have, size) = (self.sum(|layer| layer.have), self.sum(|layer| layer.size));
        let (loaded, unpacked) = (self.count(|layer| layer.loaded), self.count(|layer| layer.unpacked));
        // The daemon reports a layer's size when it begins to download it, so the sum grows at first.
        let unknown = self.count(|layer| layer.size == 0 && !layer.loaded);
        let unknown = if unknown == 0 {
            String::new()
        } else {
            format!(" and {unknown} layers of unknown size")
        };
        let unpacked = if unpacked == 0 {
            String::new()
        } else {
            format!(", {unpacked} unpacked")
        };
        let layers = self.0.len();
        format!(
            "{} of {} MB{unknown}; {loaded} of {layers} layers loaded{unpacked}",
            have / 1_000_000,
            size / 1_000_000
        )
    }
}

impl Layers {
    fn sum(&self, bytes: fn(&Layer) -> u64) -> u64 {
        self.0.values().map(bytes).fold(0, u64::saturating_add)
    }

    fn count(&self, has_property: fn(&Layer) -> bool) -> usize {
        self.0.values().filter(|layer| has_property(layer)).count()
    }
}

fn bytes(reported: Option<i64>) -> u64 {
    reported.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0)
}

impl Layer {
    fn advance(&mut self, state: &str, detail: Option<ProgressDetail>) {
        match state {
            "Downloading" => {
                let (current, total) = detail.map_or((0, 0), |detail| (bytes(detail.current), bytes(detail.total)));
                self.size = total.max(self.size);
                self.have = current;
            }
            "Verifying Checksum" | "Download complete" | "Extracting" => {
                self.have = self.size;
                self.loaded = true;
            }
            "Pull complete" | "Already exists" => {
                self.have = self.size;
                (self.loaded, self.unpacked) = (true, true);
            }
            // States without a download, and unknown states of newer daemons.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: Option<&str>, status: &str, progress: Option<(i64, i64)>) -> CreateImageInfo {
        CreateImageInfo {
            id: id.map(str::to_owned),
            status: Some(status.to_owned()),
            progress_detail: progress.map(|(current, total)| ProgressDetail {
                current: Some(current),
                total: Some(total),
            }),
            ..CreateImageInfo::default()
        }
    }

    #[test]
    fn interleaved_layers_are_lines_only_where_their_state_is_new() {
        let mut layers = Layers::default();
        assert_eq!(layers.summary(), "no layers reported yet");
        let mut said = Vec::new();
        let mut take = |id, status, progress| said.extend(layers.update(message(id, status, progress)));
        take(Some("1"), "Pulling from org/engine", None);
        for layer in ["a", "b", "c"] {
            take(Some(layer), "Pulling fs layer", None);
        }
        take(Some("c"), "Already exists", None);
        for percent in 1..=50 {
            take(Some("a"), "Downloading", Some((percent * 40_000_000, 4_000_000_000)));
            take(Some("b"), "Downloading", Some((percent * 10_000_000, 1_000_000_000)));
        }
        assert_eq!(layers.summary(), "2500 of 5000 MB; 1 of 3 layers loaded, 1 unpacked");
        let mut take = |id, status, progress| said.extend(layers.update(message(id, status, progress)));
        take(Some("b"), "Retrying in 5 seconds", None);
        take(Some("b"), "Retrying in 4 seconds", None);
        take(Some("b"), "Download complete", None);
        take(Some("b"), "Pull complete", None);
        take(None, "Status: Downloaded newer image for org/engine:1", None);
        assert_eq!(layers.summary(), "3000 of 5000 MB; 2 of 3 layers loaded, 2 unpacked");
        let expected = [
            "Pulling from org/engine",
            "a Pulling fs layer",
            "b Pulling fs layer",
            "c Pulling fs layer",
            "c Already exists",
            "a Downloading",
            "b Downloading",
            "b Retrying",
            "b Download complete",
            "b Pull complete",
            "Status: Downloaded newer image for org/engine:1",
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn layers_of_unknown_size_are_counted() {
        let mut layers = Layers::default();
        layers.update(message(Some("a"), "Waiting", None));
        // Podman's message for a small one.
        layers.update(message(Some("c"), "Download complete", None));
        layers.update(message(Some("b"), "Downloading", Some((1_000_000, 2_000_000))));
        assert_eq!(layers.summary(), "1 of 2 MB and 1 layers of unknown size; 1 of 3 layers loaded");
    }
}
