//! Enroot's image URIs, the file names of the image cache, and the check that a cached file is a complete squash file system.

use sha2::{Digest as _, Sha256};

/// The source of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::fleet) enum ImageSource {
    /// A squash file provided by the site.
    File(String),
    /// A registry: `docker://[REGISTRY#]IMAGE[:TAG]`.
    Registry(String),
}

/// Converts a config's image to an Enroot URI, in which `#` separates the registry from the image. Without a registry it is Docker
/// Hub.
pub(in crate::fleet) fn enroot_uri(image: &str) -> ImageSource {
    if image.starts_with('/') || image.starts_with("./") {
        return ImageSource::File(image.to_owned());
    }
    let image = image.strip_prefix("docker://").unwrap_or(image);
    if image.contains('#') {
        return ImageSource::Registry(format!("docker://{image}"));
    }
    let is_host = |part: &str| part.contains('.') || part.contains(':') || part == "localhost";
    match image.split_once('/') {
        Some((host, rest)) if is_host(host) => ImageSource::Registry(format!("docker://{host}#{rest}")),
        Some(_) | None => ImageSource::Registry(format!("docker://{image}")),
    }
}

/// The file name of an image in the cache: readable, and unique by a hash of the URI.
pub(super) fn squash_name(uri: &str) -> String {
    let short = uri.strip_prefix("docker://").unwrap_or(uri);
    let readable: String = short
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' })
        .take(120)
        .collect();
    let mut hash = hex::encode(Sha256::digest(uri.as_bytes()));
    hash.truncate(8);
    format!("{readable}_{hash}.sqsh")
}

/// Why a file is not a complete squash file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SquashError {
    /// The magic number is missing.
    #[error("not a squash file system")]
    Magic,
    /// The file is shorter than its superblock declares.
    #[error("truncated: {found} of {expected} bytes")]
    Short {
        /// Size of the file, bytes.
        found: u64,
        /// Declared size, bytes.
        expected: u64,
    },
}

/// Checks the superblock, the first 96 bytes of a file, against the file's size. The magic number is at byte 0, the number of
/// bytes used at byte 40, little-endian: <https://dr-emann.github.io/squashfs/squashfs.html#_the_superblock>.
///
/// # Errors
/// See [`SquashError`].
pub(super) fn check_superblock(start: &[u8], size: u64) -> Result<(), SquashError> {
    if start.get(..4) != Some(b"hsqs".as_slice()) {
        return Err(SquashError::Magic);
    }
    let used = start.get(40..48).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
    match used {
        Some(expected) if expected > size || expected == 0 => Err(SquashError::Short { found: size, expected }),
        Some(_) => Ok(()),
        None => Err(SquashError::Magic),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_names_become_enroot_uris() {
        for (image, uri) in [
            (
                "nvcr.io#nvidia/tensorrt-llm/release:1.1.0",
                "docker://nvcr.io#nvidia/tensorrt-llm/release:1.1.0",
            ),
            ("nvcr.io/nvidia/tritonserver:25.01", "docker://nvcr.io#nvidia/tritonserver:25.01"),
            ("127.0.0.1:5000/org/engine:1", "docker://127.0.0.1:5000#org/engine:1"),
            ("vllm/vllm-openai:v0.13.0", "docker://vllm/vllm-openai:v0.13.0"),
            ("docker://ubuntu:24.04", "docker://ubuntu:24.04"),
        ] {
            assert_eq!(enroot_uri(image), ImageSource::Registry(uri.to_owned()));
        }
        assert_eq!(enroot_uri("/images/x.sqsh"), ImageSource::File("/images/x.sqsh".to_owned()));
    }

    #[test]
    fn file_names_are_readable_and_unique() {
        let name = squash_name("docker://nvcr.io#nvidia/x:1");
        assert!(
            name.starts_with("nvcr.io_nvidia_x_1_") && name.len() == "nvcr.io_nvidia_x_1_".len() + 8 + 5,
            "{name}"
        );
        assert_ne!(squash_name("docker://a/b:1"), squash_name("docker://a_b:1"));
        assert!(!squash_name("docker://../../x").contains('/'));
    }

    #[test]
    fn truncated_file_is_an_error() {
        let mut start = vec![0_u8; 96];
        start[..4].copy_from_slice(b"hsqs");
        start[40..48].copy_from_slice(&4096_u64.to_le_bytes());
        assert_eq!(check_superblock(&start, 4096), Ok(()));
        assert_eq!(
            check_superblock(&start, 4095),
            Err(SquashError::Short {
                found: 4095,
                expected: 4096
            })
        );
        assert_eq!(check_superblock(&start[..20], 20), Err(SquashError::Magic));
        assert_eq!(check_superblock(b"<html>", 6), Err(SquashError::Magic));
    }
}
