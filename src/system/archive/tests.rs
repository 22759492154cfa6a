//! Valid and malicious archives.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should panic")]

use std::io::Write as _;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;

const LIMITS: ArchiveLimits = ArchiveLimits {
    entries: 10,
    bytes: 64 << 20,
    ratio: 100,
};

struct Scene {
    folder: tempfile::TempDir,
}

impl Scene {
    fn new(entries: &[(&str, &[u8])]) -> Self {
        Self::with(|writer| {
            for (name, bytes) in entries {
                writer.start_file(*name, SimpleFileOptions::default()).unwrap();
                writer.write_all(bytes).unwrap();
            }
        })
    }

    fn with(fill: impl FnOnce(&mut ZipWriter<File>)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = ZipWriter::new(File::create(folder.path().join("a.zip")).unwrap());
        fill(&mut writer);
        writer.finish().unwrap();
        Self { folder }
    }

    fn unpack(&self) -> Result<u64, ArchiveError> {
        unpack(&self.folder.path().join("a.zip"), &self.folder.path().join("out"), &LIMITS)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join("out").join(name)).unwrap()
    }

    /// Replaces bytes of the finished archive.
    fn forge(&self, from: &[u8], to: &[u8]) {
        let path = self.folder.path().join("a.zip");
        let mut bytes = fs::read(&path).unwrap();
        let places: Vec<usize> = memchr::memmem::find_iter(&bytes, from).collect();
        assert!(!places.is_empty(), "no bytes to replace");
        for at in places {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
        fs::write(path, bytes).unwrap();
    }
}

#[test]
fn valid_archive_is_unpacked() {
    let scene = Scene::new(&[("agg_a.json", b"{}"), ("logs/server.log", b"ready")]);
    assert_eq!(scene.unpack().unwrap(), 7);
    assert_eq!(
        (scene.read("agg_a.json"), scene.read("logs/server.log")),
        ("{}".to_owned(), "ready".to_owned())
    );
}

#[test]
fn unsafe_paths_are_rejected_before_anything_is_written() {
    for name in [
        "../evil",
        "a/../../evil",
        "/etc/evil",
        "a\\..\\evil",
        "C:evil",
        "a//b",
        "./a",
        "bell\u{7}",
        &"d/".repeat(20),
    ] {
        let scene = Scene::with(|writer| {
            writer.start_file("fine", SimpleFileOptions::default()).unwrap();
            // The writer normalises some names, so a placeholder is written and then replaced.
            writer.start_file("x".repeat(name.len()), SimpleFileOptions::default()).unwrap();
        });
        scene.forge("x".repeat(name.len()).as_bytes(), name.as_bytes());
        let error = scene.unpack().unwrap_err();
        assert!(matches!(error, ArchiveError::Path { .. }), "{name:?}: {error}");
        assert!(!scene.folder.path().join("out").exists(), "{name:?}");
    }
}

#[test]
fn symbolic_links_are_rejected() {
    let scene = Scene::with(|writer| {
        writer.add_symlink("link", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    });
    let error = scene.unpack().unwrap_err().to_string();
    assert_eq!(error, "`link`: unsupported file type (symbolic link); expected a file or a folder");
}

#[test]
fn too_many_files_are_rejected() {
    let names: Vec<String> = (0..11).map(|number| number.to_string()).collect();
    let entries: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    let error = Scene::new(&entries).unpack().unwrap_err();
    assert!(matches!(error, ArchiveError::TooMany { found: 11, limit: 10 }), "{error}");
}

#[test]
fn zip_bomb_is_rejected_by_its_declared_size() {
    let error = Scene::new(&[("zeros", &vec![0; 20 << 20])]).unpack().unwrap_err();
    assert!(matches!(error, ArchiveError::Ratio { .. }), "{error}");
}

#[test]
fn total_size_is_limited() {
    // Noise, which hardly compresses.
    let noise: Vec<u8> = (0..(33_u32 << 20)).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let error = Scene::new(&[("a", &noise), ("b", &noise)]).unpack().unwrap_err();
    assert!(
        matches!(error, ArchiveError::TooLarge { .. } | ArchiveError::Ratio { .. }),
        "{error}"
    );
}

#[test]
fn file_longer_than_declared_is_rejected() {
    let scene = Scene::with(|writer| {
        let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
        writer.start_file("a", stored).unwrap();
        writer.write_all(&[b'z'; 1000]).unwrap();
    });
    // 1000 bytes, little-endian, in both headers: now 5.
    scene.forge(&1000_u32.to_le_bytes(), &5_u32.to_le_bytes());
    assert!(scene.unpack().is_err());
}

#[test]
fn duplicate_names_overwrite_nothing() {
    let scene = Scene::new(&[("one", b"1"), ("two", b"2")]);
    scene.forge(b"two", b"one");
    assert_eq!(scene.unpack().unwrap(), 1, "the reader returns the last of them");
    let scene = Scene::new(&[("a", b"1"), ("a/b", b"2")]);
    assert!(matches!(scene.unpack(), Err(ArchiveError::Write { .. })));
}

#[test]
fn zip64_and_other_files_are_rejected() {
    let scene = Scene::new(&[("a", b"1")]);
    let path = scene.folder.path().join("a.zip");
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend_from_slice(b"PK\x06\x07");
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(scene.unpack(), Err(ArchiveError::Zip64)));
    fs::write(&path, b"not a zip").unwrap();
    assert!(matches!(scene.unpack(), Err(ArchiveError::Form(_))));
}
