//! Images as Enroot has them: the name of an image in its spelling, the file in the image cache, and whether that file is a
//! whole squash file system.

use sha2::{Digest as _, Sha256};

/// Where an image comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::fleet) enum ImageSource {
    /// A squash file that the site made itself.
    File(String),
    /// A registry: `docker://[REGISTRY#]IMAGE[:TAG]`.
    Registry(String),
}

/// An image of a config in Enroot's spelling: the registry stands before a `#`, with neither it is Docker Hub.
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

/// The file of an image in the cache: readable, and never the same for two images.
pub(super) fn squash_name(uri: &str) -> String {
    let short = uri.strip_prefix("docker://").unwrap_or(uri);
    let clean = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let readable: String = short.chars().map(clean).take(120).collect();
    let mut hash = hex::encode(Sha256::digest(uri.as_bytes()));
    hash.truncate(8);
    format!("{readable}_{hash}.sqsh")
}

/// Why a file is no whole squash file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SquashDoubt {
    /// It does not begin like one.
    #[error("not a squash file system")]
    Magic,
    /// It is shorter than it says.
    #[error("truncated: {found} of {expected} bytes")]
    Short {
        /// Bytes that are there.
        found: u64,
        /// Bytes that its superblock counts.
        expected: u64,
    },
}

/// Checks the first bytes of a file, its superblock, against the file's size. The magic number stands at byte 0 and the
/// bytes used at byte 40, little-endian: <https://dr-emann.github.io/squashfs/squashfs.html#_the_superblock>.
///
/// # Errors
/// See [`SquashDoubt`].
pub(super) fn check_superblock(start: &[u8], size: u64) -> Result<(), SquashDoubt> {
    if start.get(..4) != Some(b"hsqs".as_slice()) {
        return Err(SquashDoubt::Magic);
    }
    let used = start.get(40..48).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
    match used {
        Some(expected) if expected > size || expected == 0 => Err(SquashDoubt::Short { found: size, expected }),
        Some(_) => Ok(()),
        None => Err(SquashDoubt::Magic),
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
    fn files_are_readable_and_never_shared() {
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
            Err(SquashDoubt::Short {
                found: 4095,
                expected: 4096
            })
        );
        assert_eq!(check_superblock(&start[..20], 20), Err(SquashDoubt::Magic));
        assert_eq!(check_superblock(b"<html>", 6), Err(SquashDoubt::Magic));
    }
}
