use super::*;

const SIZE_MAX: usize = 16 << 20;

/// Text that compresses, of several inner blocks in every codec.
fn text() -> Vec<u8> {
    (0..60_000).flat_map(|n: u32| format!("{n} bottles; ").into_bytes()).collect()
}

fn compressed(codec: impl Into<Codec>, input: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    compress(codec.into(), input, &mut out).unwrap();
    out
}

fn levels(compression: Compression) -> Vec<Codec> {
    let levels: &[i32] = match compression {
        Compression::Gzip => &[-1, 1, 9],
        Compression::Lz4 => &[1, 9, 17],
        Compression::Zstd => &[-131_072, -5, 1, 3, 19, 22],
        _ => &[],
    };
    let given = levels.iter().map(|&level| Codec::with_level(compression, level).unwrap());
    std::iter::once(compression.into()).chain(given).collect()
}

#[test]
fn what_is_compressed_comes_back_at_every_level() {
    let noise: Vec<u8> = (0..200_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for input in [&text()[..], &noise, b"", b"x"] {
        for codec in Compression::ALL.into_iter().flat_map(levels) {
            let bytes = compressed(codec, input);
            assert_eq!(decompress(codec.compression(), &bytes, SIZE_MAX).unwrap(), input, "{codec:?}");
        }
    }
}

#[test]
fn levels_that_a_codec_lacks_are_refused() {
    for (compression, level) in [
        (Compression::None, 1),
        (Compression::Snappy, 1),
        (Compression::Gzip, 0),
        (Compression::Gzip, 10),
        (Compression::Lz4, 0),
        (Compression::Lz4, 18),
        (Compression::Zstd, 23),
        (Compression::Zstd, -131_073),
    ] {
        assert_eq!(Codec::with_level(compression, level), Err(InvalidLevel { compression, level }));
    }
}

#[test]
fn a_bomb_is_refused_and_the_limit_is_exact() {
    let zeros = vec![0; 8 << 20];
    for compression in Compression::ALL {
        let bytes = compressed(compression, &zeros);
        let at = |size_max| decompress(compression, &bytes, size_max).map(|bytes| bytes.len());
        assert_eq!(at(zeros.len()), Ok(zeros.len()), "{compression}");
        for max in [0, 1, 100_000, zeros.len() - 1] {
            assert_eq!(at(max), Err(BatchError::DecompressedTooLarge { max }), "{compression}");
        }
    }
}

#[test]
fn raw_snappy_is_told_from_framed_and_frames_may_be_concatenated() {
    let raw = snap::raw::Encoder::new().compress_vec(&text()).unwrap();
    assert_eq!(decompress(Compression::Snappy, &raw, SIZE_MAX).unwrap(), text());
    let two = [compressed(Compression::Snappy, b"one "), compressed(Compression::Snappy, b"two")].concat();
    assert_eq!(decompress(Compression::Snappy, &two, SIZE_MAX).unwrap(), &b"one two"[..]);
}

#[test]
fn a_claimed_size_that_cannot_be_is_refused_before_it_is_allocated() {
    // A raw block that says it is of 4 GiB - 1, and has six bytes.
    let claim = [0xff, 0xff, 0xff, 0xff, 0x0f, 0x00];
    assert!(matches!(
        decompress(Compression::Snappy, &claim, usize::MAX),
        Err(BatchError::Decompression { .. })
    ));
}

#[test]
fn lz4_frames_of_larger_blocks_and_with_checksums_are_read() {
    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
    for size in [BlockSize::Max64KB, BlockSize::Max256KB, BlockSize::Max1MB, BlockSize::Max4MB] {
        let info = FrameInfo::new()
            .block_size(size)
            .block_mode(BlockMode::Independent)
            .block_checksums(true)
            .content_checksum(true)
            .content_size(Some(text().len() as u64));
        let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
        encoder.write_all(&text()).unwrap();
        let mut bytes = encoder.finish().unwrap();
        assert_eq!(decompress(Compression::Lz4, &bytes, SIZE_MAX).unwrap(), text());
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        assert!(decompress(Compression::Lz4, &bytes, SIZE_MAX).is_err());
    }
}

#[test]
fn lz4_frames_that_java_consumers_cannot_read_are_refused() {
    use lz4_flex::frame::{BlockMode, FrameEncoder, FrameInfo};
    let info = FrameInfo::new().block_mode(BlockMode::Linked);
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(&text()).unwrap();
    let linked = encoder.finish().unwrap();
    let mut wrong_header = compressed(Compression::Lz4, &text());
    wrong_header[6] ^= 1;
    for bytes in [linked, wrong_header] {
        assert!(decompress(Compression::Lz4, &bytes, SIZE_MAX).is_err());
    }
}

#[test]
fn cut_data_is_refused() {
    for compression in Compression::ALL.into_iter().skip(1) {
        let bytes = compressed(compression, &text());
        for size in (0..bytes.len()).step_by(bytes.len() / 50 + 1).chain([bytes.len() - 1]).skip(1) {
            let cut = decompress(compression, &bytes[..size], SIZE_MAX);
            // Snappy's framing has no end mark: cut between two blocks it is a shorter stream.
            let is_told =
                cut.is_err() || compression == Compression::Snappy && cut.unwrap().len() < text().len();
            assert!(is_told, "{compression} cut to {size} of {}", bytes.len());
        }
    }
}
