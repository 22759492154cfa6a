//! Images of random noise for random prompts, as in the `random-mm` data set of `vllm bench serve`. Their number and sizes are
//! drawn at random. Noise does not compress, so the number of bytes follows from the number of pixels.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::rngs::ChaCha8Rng;
use rand::{Rng as _, RngExt as _};

use crate::load::prompt::random_stream;

/// An image size and its relative frequency.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ImageSize {
    /// Pixels.
    pub height: NonZeroU32,
    /// Pixels.
    pub width: NonZeroU32,
    /// Relative frequency, above 0.
    pub weight: f64,
}

/// How many images each prompt has, and of what sizes.
#[derive(Debug, Clone, PartialEq)]
pub struct RandomImages {
    /// Fewest images of a prompt.
    pub fewest: u32,
    /// Most images of a prompt.
    pub most: u32,
    /// The sizes to draw from.
    pub sizes: Vec<ImageSize>,
}

/// Maximum number of pixels of an image: 16 megapixels are 50 MB of noise.
pub const MOST_PIXELS: u64 = 16_777_216;

/// XORed with the seed, so that images are independent of other random draws.
const IMAGE_SEED: u64 = 0x0001_3a6e;

/// The images of prompt number `index`, as data URLs of PNG files.
///
/// # Errors
/// The encoder's, for a size that PNG does not allow.
pub fn data_urls(images: &RandomImages, seed: u64, index: u64) -> Result<Vec<String>, png::EncodingError> {
    let mut random = random_stream(seed ^ IMAGE_SEED, index);
    let count = random.random_range(images.fewest..=images.most.max(images.fewest));
    let mut urls = Vec::new();
    for _ in 0..count {
        if let Some(size) = size(images, &mut random) {
            let file = png_of_noise(size, &mut random)?;
            urls.push(format!("data:image/png;base64,{}", STANDARD.encode(file)));
        }
    }
    Ok(urls)
}

fn size(images: &RandomImages, random: &mut ChaCha8Rng) -> Option<ImageSize> {
    let all: f64 = images.sizes.iter().map(|size| size.weight).sum();
    let mut left = random.random_range(0.0..1.0) * all;
    for size in &images.sizes {
        left -= size.weight;
        if left < 0.0 {
            return Some(*size);
        }
    }
    images.sizes.last().copied()
}

/// A PNG file of 8-bit RGB. Not compressed, because noise would not get smaller.
fn png_of_noise(size: ImageSize, random: &mut ChaCha8Rng) -> Result<Vec<u8>, png::EncodingError> {
    let (width, height) = (size.width.get(), size.height.get());
    let bytes = u64::from(width) * u64::from(height) * 3;
    let mut pixels = vec![0; usize::try_from(bytes).unwrap_or(0)];
    random.fill_bytes(&mut pixels);
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::NoCompression);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    fn sizes_of(urls: &[String]) -> Vec<(u32, u32)> {
        let decoded = urls.iter().map(|url| {
            let file = STANDARD.decode(url.strip_prefix("data:image/png;base64,").unwrap()).unwrap();
            let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            let frame = reader.next_frame(&mut pixels).unwrap();
            (frame.width, frame.height)
        });
        decoded.collect()
    }

    #[test]
    fn images_have_the_drawn_sizes_and_numbers() {
        let size = |height, width, weight| ImageSize {
            height: NonZeroU32::new(height).unwrap(),
            width: NonZeroU32::new(width).unwrap(),
            weight,
        };
        let images = RandomImages {
            fewest: 1,
            most: 3,
            sizes: vec![size(8, 16, 3.0), size(20, 10, 1.0)],
        };
        let made: Vec<Vec<(u32, u32)>> = (0..100).map(|index| sizes_of(&data_urls(&images, 1, index).unwrap())).collect();
        assert!((1..=3).all(|count| made.iter().any(|sizes| sizes.len() == count)));
        let all: Vec<&(u32, u32)> = made.iter().flatten().collect();
        let wide = all.iter().filter(|size| ***size == (16, 8)).count();
        assert!(all.iter().all(|size| [(16, 8), (10, 20)].contains(size)));
        assert!((all.len() * 6 / 10..all.len() * 9 / 10).contains(&wide), "{wide} of {}", all.len());
        assert_eq!(data_urls(&images, 1, 5).unwrap(), data_urls(&images, 1, 5).unwrap());
        assert_ne!(data_urls(&images, 1, 5).unwrap(), data_urls(&images, 2, 5).unwrap());
    }
}
