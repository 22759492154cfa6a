//! A social card as PNG, 1200 by 630 pixels, the size that sites show of a link: title, figure, change, sparkline. Glyphs are outlines of the
//! fonts in `card_fonts`, so that the card is the same on every machine.

use tiny_skia::{Color, FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, Transform};
use ttf_parser::{Face, OutlineBuilder};

/// Size, px.
const WIDTH: u32 = 1200;
const HEIGHT: u32 = 630;
/// Space at the edges, px.
const MARGIN: f32 = 72.0;

const BACKGROUND: [u8; 3] = [0x0d, 0x11, 0x17];
const TEXT: [u8; 3] = [0xf0, 0xf3, 0xf6];
const QUIET: [u8; 3] = [0x9e, 0xa7, 0xb3];
const LINE: [u8; 3] = [0x58, 0xa6, 0xff];
const BETTER: [u8; 3] = [0x56, 0xd3, 0x64];
const WORSE: [u8; 3] = [0xf0, 0x88, 0x3e];

static REGULAR: &[u8] = include_bytes!("card_fonts/inter-regular.ttf");
static BOLD: &[u8] = include_bytes!("card_fonts/inter-bold.ttf");

/// What a card says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Card {
    /// What was measured, such as `throughput`.
    pub title: String,
    /// Of which point.
    pub subtitle: String,
    /// The newest value with its unit.
    pub figure: String,
    /// Its interval, if there is one.
    pub interval: Option<String>,
    /// How the level changed last.
    pub change: Option<CardChange>,
    /// Branch, commit and day.
    pub footer: String,
    /// Seconds and values, the oldest first.
    pub line: Vec<(f64, f64)>,
}

/// A change of the level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CardChange {
    pub text: String,
    pub is_better: bool,
}

/// Why a card cannot be drawn. Its parts are those of this program.
#[derive(Debug, thiserror::Error)]
pub(super) enum CardError {
    #[error("cannot read a font of this program: {0}")]
    Font(#[from] ttf_parser::FaceParsingError),
    #[error("cannot allocate a picture")]
    Picture,
    #[error("cannot write a PNG: {0}")]
    Png(#[from] png::EncodingError),
}

/// The card as a PNG.
///
/// # Errors
/// [`CardError`].
pub(super) fn draw(card: &Card) -> Result<Vec<u8>, CardError> {
    let (regular, bold) = (Face::parse(REGULAR, 0)?, Face::parse(BOLD, 0)?);
    let mut picture = Pixmap::new(WIDTH, HEIGHT).ok_or(CardError::Picture)?;
    picture.fill(color(BACKGROUND));
    let most = pixels(WIDTH) - 2.0 * MARGIN;
    text(&mut picture, &bold, &card.title, [MARGIN, 126.0], 52.0, most, TEXT);
    text(&mut picture, &regular, &card.subtitle, [MARGIN, 178.0], 30.0, most, QUIET);
    let after = text(&mut picture, &bold, &card.figure, [MARGIN, 310.0], 92.0, most, TEXT);
    if let Some(interval) = &card.interval {
        let left = after + 24.0;
        text(
            &mut picture,
            &regular,
            interval,
            [left, 310.0],
            44.0,
            pixels(WIDTH) - MARGIN - left,
            QUIET,
        );
    }
    if let Some(change) = &card.change {
        let shade = if change.is_better { BETTER } else { WORSE };
        text(&mut picture, &bold, &change.text, [MARGIN, 374.0], 40.0, most, shade);
    }
    sparkline(&mut picture, &card.line);
    text(&mut picture, &regular, &card.footer, [MARGIN, 594.0], 26.0, most - 120.0, QUIET);
    text(
        &mut picture,
        &bold,
        "imax",
        [pixels(WIDTH) - MARGIN - 76.0, 594.0],
        30.0,
        120.0,
        QUIET,
    );
    encode(&picture)
}

/// Where a chart of values is on the card: left, top, right, bottom.
const CHART: [f32; 4] = [MARGIN, 412.0, WIDTH as f32 - MARGIN, 540.0];

/// A line through all values, whose last one is marked. The scale is that of the values: the card's figure tells the size.
fn sparkline(picture: &mut Pixmap, line: &[(f64, f64)]) {
    let Some((last, _)) = line.split_last() else { return };
    let [left, top, right, bottom] = CHART;
    let (from, to) = range(line.iter().map(|(time, _)| *time));
    let (low, high) = range(line.iter().map(|(_, value)| *value));
    let pixel = |(time, value): &(f64, f64)| {
        let x = left + part(*time, from, to) * (right - left);
        (x, bottom - part(*value, low, high) * (bottom - top))
    };
    let mut builder = PathBuilder::new();
    for (at, value) in line.iter().enumerate() {
        let (x, y) = pixel(value);
        if at == 0 { builder.move_to(x, y) } else { builder.line_to(x, y) }
    }
    let stroke = Stroke {
        width: 4.0,
        line_cap: LineCap::Round,
        line_join: LineJoin::Round,
        ..Stroke::default()
    };
    if let Some(path) = builder.finish() {
        picture.stroke_path(&path, &paint(LINE), &stroke, Transform::identity(), None);
    }
    let (x, y) = pixel(last);
    if let Some(dot) = PathBuilder::from_circle(x, y, 9.0) {
        picture.fill_path(&dot, &paint(LINE), FillRule::Winding, Transform::identity(), None);
    }
    if let Some(base) = Rect::from_ltrb(left, bottom + 16.0, right, bottom + 17.0) {
        picture.fill_rect(base, &paint([0x30, 0x36, 0x3d]), Transform::identity(), None);
    }
}

fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    })
}

/// Where a value is between two, from 0 to 1; the middle where they are equal.
#[expect(clippy::cast_possible_truncation, reason = "a fraction of pixels")]
fn part(value: f64, low: f64, high: f64) -> f32 {
    let part = (value - low) / (high - low);
    if part.is_finite() { part as f32 } else { 0.5 }
}

#[expect(clippy::cast_precision_loss, reason = "a thousand pixels")]
fn pixels(number: u32) -> f32 {
    number as f32
}

fn color([red, green, blue]: [u8; 3]) -> Color {
    Color::from_rgba8(red, green, blue, 255)
}

fn paint(shade: [u8; 3]) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color(color(shade));
    paint.anti_alias = true;
    paint
}

/// Draws a line of text with its baseline at a place, smaller or shortened where it is too wide, and gives where it ends.
fn text(picture: &mut Pixmap, face: &Face<'_>, words: &str, [x, y]: [f32; 2], size: f32, most: f32, shade: [u8; 3]) -> f32 {
    /// A text is made this much smaller at most; a longer one loses its end.
    const SMALLEST: f32 = 0.6;
    let width = width_of(face, words, size);
    let size = if width > most { size * (most / width).max(SMALLEST) } else { size };
    let shortened = shorten(face, words, size, most);
    let mut outline = Outline {
        builder: PathBuilder::new(),
        scale: size / f32::from(face.units_per_em()),
        x,
        y,
    };
    for character in shortened.chars() {
        let glyph = face.glyph_index(character).unwrap_or_default();
        face.outline_glyph(glyph, &mut outline);
        outline.x += f32::from(face.glyph_hor_advance(glyph).unwrap_or_default()) * outline.scale;
    }
    let end = outline.x;
    if let Some(path) = outline.builder.finish() {
        fill(picture, &path, shade);
    }
    end
}

fn fill(picture: &mut Pixmap, path: &Path, shade: [u8; 3]) {
    picture.fill_path(path, &paint(shade), FillRule::Winding, Transform::identity(), None);
}

fn width_of(face: &Face<'_>, words: &str, size: f32) -> f32 {
    let units: f32 = words
        .chars()
        .map(|character| face.glyph_index(character).unwrap_or_default())
        .map(|glyph| f32::from(face.glyph_hor_advance(glyph).unwrap_or_default()))
        .sum();
    units * size / f32::from(face.units_per_em())
}

/// The text with `…` in place of an end that does not fit.
fn shorten(face: &Face<'_>, words: &str, size: f32, most: f32) -> String {
    if width_of(face, words, size) <= most {
        return words.to_owned();
    }
    // Keys are short, but a name from outside may have any length.
    let mut kept: Vec<char> = words.chars().take(200).collect();
    loop {
        kept.pop();
        let text: String = kept.iter().chain(&['\u{2026}']).collect();
        if kept.is_empty() || width_of(face, &text, size) <= most {
            return text;
        }
    }
}

/// Glyphs at their places. The axis of fonts points up, that of pictures down.
struct Outline {
    builder: PathBuilder,
    scale: f32,
    x: f32,
    y: f32,
}

impl Outline {
    fn place(&self, x: f32, y: f32) -> (f32, f32) {
        (self.x + x * self.scale, self.y - y * self.scale)
    }
}

impl OutlineBuilder for Outline {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.place(x, y);
        self.builder.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.place(x, y);
        self.builder.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.place(x1, y1), self.place(x, y));
        self.builder.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) = (self.place(x1, y1), self.place(x2, y2), self.place(x, y));
        self.builder.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.builder.close();
    }
}

/// A PNG without transparency.
fn encode(picture: &Pixmap) -> Result<Vec<u8>, CardError> {
    let opaque: Vec<u8> = picture
        .pixels()
        .iter()
        .flat_map(|pixel| [pixel.red(), pixel.green(), pixel.blue()])
        .collect();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, WIDTH, HEIGHT);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&opaque)?;
    writer.finish()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use std::io;

    use super::*;

    fn card() -> Card {
        Card {
            title: "throughput".to_owned(),
            subtitle: "dsr1 fp8 h200 sglang 1k1k tp8 conc 64".to_owned(),
            figure: "1,234 tok/s/GPU".to_owned(),
            interval: Some("\u{b1} 1.2 %".to_owned()),
            change: Some(CardChange {
                text: "up 3 %".to_owned(),
                is_better: true,
            }),
            footer: "main, 0123456789ab, 2026-11-22".to_owned(),
            line: vec![(0.0, 1.0), (1.0, 3.0), (2.0, 2.0)],
        }
    }

    fn decoded(bytes: &[u8]) -> (u32, u32, Vec<u8>) {
        let mut reader = png::Decoder::new(io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        (info.width, info.height, pixels)
    }

    #[test]
    fn every_part_of_a_card_is_drawn() {
        let whole = decoded(&draw(&card()).unwrap());
        assert_eq!((whole.0, whole.1), (WIDTH, HEIGHT));
        for without in [
            Card {
                title: String::new(),
                ..card()
            },
            Card {
                subtitle: String::new(),
                ..card()
            },
            Card {
                figure: String::new(),
                ..card()
            },
            Card { interval: None, ..card() },
            Card { change: None, ..card() },
            Card {
                footer: String::new(),
                ..card()
            },
            Card {
                line: Vec::new(),
                ..card()
            },
        ] {
            assert_ne!(decoded(&draw(&without).unwrap()), whole, "{without:?}");
        }
    }

    #[test]
    fn long_and_foreign_texts_and_flat_lines_fit() {
        let face = Face::parse(REGULAR, 0).unwrap();
        let long = "\u{6a21}\u{578b} ".repeat(1000);
        let short = shorten(&face, &long, 30.0, 500.0);
        assert!(short.ends_with('\u{2026}') && width_of(&face, &short, 30.0) <= 500.0, "{short}");
        let odd = Card {
            subtitle: long,
            line: vec![(5.0, 2.0)],
            ..card()
        };
        let (_, _, pixels) = decoded(&draw(&odd).unwrap());
        let edge: Vec<&[u8]> = pixels.chunks(3 * WIDTH as usize).map(|row| &row[row.len() - 60..]).collect();
        assert!(
            edge.concat().chunks(3).all(|pixel| pixel == BACKGROUND),
            "nothing is drawn at the right edge"
        );
    }
}
