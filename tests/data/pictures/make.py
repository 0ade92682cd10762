#!/usr/bin/env python3
"""Makes the tests of ImageDecoder in this folder, in the layout of ONNX's own tests: FORMAT/NAME/model.onnx and
FORMAT/NAME/test_data_set_0/{input,output}_0.pb. A folder for each library, as a build may lack it; `own` is what needs none.

    python3 tests/data/pictures/make.py

BMP and the portable formats are written here byte by byte, the others by Pillow. What is expected are the pixels that the
picture was made of; where the format loses some, what Pillow reads. Needs the packages onnx, numpy and Pillow.
Also writes seeds for the fuzz target to tests/fuzz/seeds.
"""
import io
import pathlib
import struct
import sys

try:
    import numpy as np
    import onnx
    from PIL import Image
    from onnx import TensorProto, helper, numpy_helper
except ImportError as missing:
    sys.exit(f"make.py needs the Python packages onnx, numpy and Pillow: {missing}")

HERE = pathlib.Path(__file__).resolve().parent
SEEDS = HERE.parent.parent / "fuzz" / "seeds"
W, H = 7, 3
RGB = np.array([[[(40 * x) % 256, 100 * y, (90 * x + 50 * y) % 256] for x in range(W)] for y in range(H)], np.uint8)
GRAY = RGB[..., :1]
EMPTY = np.zeros((0, 0, 3), np.uint8)


def write(folder, name, data, want, pixel_format="RGB", seed=None):
    node = helper.make_node("ImageDecoder", ["x"], ["y"], pixel_format=pixel_format)
    info = [helper.make_tensor_value_info(n, TensorProto.UINT8, s) for n, s in (("x", [None]), ("y", [None, None, want.shape[2]]))]
    graph = helper.make_graph([node], name, info[:1], info[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    where = HERE / folder / name / "test_data_set_0"
    where.mkdir(parents=True, exist_ok=True)
    (where.parent / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    for kind, array in (("input", np.frombuffer(data, np.uint8)), ("output", np.ascontiguousarray(want))):
        (where / f"{kind}_0.pb").write_bytes(numpy_helper.from_array(array, "").SerializeToString())
    if seed:
        (SEEDS / f"{name}.{seed}").write_bytes(data)


def luma(rgb):
    r, g, b = (rgb[..., c].astype(np.int64) for c in range(3))
    return ((r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16).astype(np.uint8)[..., None]


def rgb_of(gray):
    return np.repeat(gray, 3, -1)


# ---- BMP -----------------------------------------------------------------------------------------------------

def rows(lines):
    """From the bottom up, each filled to a multiple of 4 bytes."""
    return b"".join(bytes(line) + b"\0" * (-len(line) % 4) for line in reversed(lines))


def bmp(bits, pixels, compression=0, colours=b"", masks=b"", height=H, size=40, tail=b""):
    header = struct.pack("<IiiHHIIiiII", 40, W, height, 1, bits, compression, len(pixels), 0, 0, len(colours) // 4, 0)
    header = struct.pack("<I", size) + header[4:] + tail
    offset = 14 + len(header) + len(masks) + len(colours)
    return b"BM" + struct.pack("<IHHI", offset + len(pixels), 0, 0, offset) + header + masks + colours + pixels


def packed(indices, bits):
    """Rows of indices, the first pixel in the high bits."""
    per = 8 // bits
    lines = []
    for row in indices:
        row = list(row) + [0] * (-len(row) % per)
        lines.append([sum(row[i + k] << (8 - bits * (k + 1)) for k in range(per)) for i in range(0, len(row), per)])
    return rows(lines)


PALETTE = np.array([[10, 20, 30], [255, 0, 0], [0, 255, 0], [0, 0, 255], [200, 200, 0], [0, 128, 128]], np.uint8)
COLOURS = b"".join(bytes([b, g, r, 0]) for r, g, b in PALETTE)
INDEX = np.array([[(x + 2 * y) % 6 for x in range(W)] for y in range(H)])
BGR_ROWS = rows([RGB[y, :, ::-1].tobytes() for y in range(H)])

write("own", "bmp_24", bmp(24, BGR_ROWS), RGB, seed="bmp")
write("own", "bmp_24_as_bgr", bmp(24, BGR_ROWS), RGB[..., ::-1], "BGR")
write("own", "bmp_24_as_gray", bmp(24, BGR_ROWS), luma(RGB), "Grayscale")
write("own", "bmp_24_top_down", bmp(24, rows([RGB[y, :, ::-1].tobytes() for y in reversed(range(H))]), height=-H), RGB)
write("own", "bmp_32", bmp(32, rows([np.insert(RGB[y, :, ::-1], 3, 77, axis=-1).tobytes() for y in range(H)])), RGB)
write("own", "bmp_8", bmp(8, packed(INDEX, 8), colours=COLOURS), PALETTE[INDEX])
write("own", "bmp_4", bmp(4, packed(INDEX, 4), colours=COLOURS), PALETTE[INDEX])
write("own", "bmp_1", bmp(1, packed(INDEX % 2, 1), colours=COLOURS[:8]), PALETTE[INDEX % 2])
core = b"BM" + struct.pack("<IHHI", 0, 0, 0, 26 + 48) + struct.pack("<IHHHH", 12, W, H, 1, 4)
core += b"".join(bytes([b, g, r]) for r, g, b in PALETTE) + b"\0" * 30
write("own", "bmp_core_header", core + packed(INDEX, 4), PALETTE[INDEX])


def fields(shifts, widths):
    """RGB as 16- or 32-bit words, and what is left of it."""
    top = [(1 << w) - 1 for w in widths]
    levels = [(RGB[..., c].astype(np.int64) * top[c] + 127) // 255 for c in range(3)]
    words = sum(levels[c] << shifts[c] for c in range(3))
    want = np.stack([(levels[c] * 255 + top[c] // 2) // top[c] for c in range(3)], -1).astype(np.uint8)
    return words, b"".join(struct.pack("<I", top[c] << shifts[c]) for c in range(3)), want


words, masks, want = fields([11, 5, 0], [5, 6, 5])
line16 = lambda words: rows([w.astype("<u2").tobytes() for w in words])
write("own", "bmp_565", bmp(16, line16(words), 3, masks=masks), want, seed="bmp")
words, _, want = fields([10, 5, 0], [5, 5, 5])
write("own", "bmp_555", bmp(16, line16(words)), want)
words, masks, want = fields([20, 10, 0], [10, 10, 10])
write("own", "bmp_10_10_10", bmp(32, rows([w.astype("<u4").tobytes() for w in words]), 3, masks=masks), want)
words, masks, want = fields([0, 8, 16], [8, 8, 8])
write("own", "bmp_version_5", bmp(32, rows([w.astype("<u4").tobytes() for w in words]), 3, size=124, tail=masks + b"\0" * 72), want)
# Row 0 (the lowest): a run of 7. Row 1: 3 pixels as they are, a move by 2, 2 pixels. Row 2: nothing.
runs = bytes([7, 2, 0, 0, 0, 3, 1, 3, 4, 0, 0, 2, 2, 0, 2, 5, 0, 1])
want = PALETTE[np.array([[0] * 7, [1, 3, 4, 0, 0, 5, 5], [2] * 7])]
write("own", "bmp_rle8", bmp(8, runs, 1, colours=COLOURS), want, seed="bmp")
runs = bytes([7, 0x23, 0, 0, 0, 5, 0x13, 0x42, 0x50, 0, 2, 0x11, 0, 1])
want = PALETTE[np.array([[0] * 7, [1, 3, 4, 2, 5, 1, 1], [2, 3, 2, 3, 2, 3, 2]])]
write("own", "bmp_rle4", bmp(4, runs, 2, colours=COLOURS), want, seed="bmp")
write("own", "bmp_cut_off", bmp(24, BGR_ROWS)[:-30], EMPTY)
write("own", "bmp_rle8_cut_off", bmp(8, bytes([7, 2, 0, 0, 0, 30, 1]), 1, colours=COLOURS), EMPTY)
write("own", "bmp_without_pixels", bmp(24, b"", height=0), EMPTY)

# ---- PBM, PGM, PPM, PAM --------------------------------------------------------------------------------------

BITS = INDEX % 2
size = f"{W} {H}".encode()
text = lambda a: "\n".join(" ".join(str(v) for v in row) for row in a.reshape(H, -1)).encode()
write("own", "pbm_text", b"P1\n# a comment\n" + size + b"\n" + b"\n".join(b"".join(b"%d" % v for v in row) for row in BITS),
      rgb_of(((1 - BITS) * 255).astype(np.uint8)[..., None]), seed="pnm")
write("own", "pgm_text", b"P2 # a comment\n" + size + b"\n255\n" + text(GRAY), rgb_of(GRAY), seed="pnm")
write("own", "ppm_text", b"P3\n" + size + b" 255 " + text(RGB), RGB)
write("own", "pbm", b"P4 " + size + b"\n" + b"".join(np.packbits(row).tobytes() for row in BITS.astype(np.uint8)),
      rgb_of(((1 - BITS) * 255).astype(np.uint8)[..., None]), seed="pnm")
write("own", "pgm", b"P5\n" + size + b"\n255\n" + GRAY.tobytes(), GRAY, "Grayscale")
wide = GRAY.astype(np.int64) * 4
write("own", "pgm_10_bits", b"P5\n" + size + b"\n1023\n" + wide.astype(">u2").tobytes(),
      rgb_of(((wide * 255 + 511) // 1023).astype(np.uint8)))
write("own", "ppm", b"P6\n" + size + b"\n#\n255\n" + RGB.tobytes(), RGB, seed="pnm")
write("own", "pam_with_alpha", b"P7\n# a comment\nWIDTH 7\nHEIGHT 3\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n" +
      np.insert(RGB, 3, 9, axis=-1).tobytes(), RGB, seed="pnm")
write("own", "ppm_cut_off", b"P6\n" + size + b"\n255\n" + RGB.tobytes()[:-1], EMPTY)
write("own", "pgm_text_cut_off", b"P2\n" + size + b"\n255\n1 2 3", EMPTY)
write("own", "no_picture", b"hello", EMPTY)
write("own", "no_bytes", b"", EMPTY)
write("own", "no_bytes_as_gray", b"", EMPTY[..., :1], "Grayscale")


# ---- The libraries' formats ----------------------------------------------------------------------------------

def saved(image, kind, **options):
    with io.BytesIO() as f:
        image.save(f, kind, **options)
        return f.getvalue()


def read(data):
    return np.array(Image.open(io.BytesIO(data)).convert("RGB"))


picture, alpha = Image.fromarray(RGB), Image.fromarray(np.insert(RGB, 3, 100, axis=-1))
gray, palette = Image.fromarray(GRAY[..., 0]), Image.fromarray(INDEX.astype(np.uint8), "P")
palette.putpalette(PALETTE.tobytes())
deep = Image.fromarray((GRAY[..., 0].astype(np.uint16) * 257))
write("png", "png_rgb", saved(picture, "png"), RGB, seed="png")
write("png", "png_alpha", saved(alpha, "png"), RGB)
write("png", "png_palette_as_bgr", saved(palette, "png"), PALETTE[INDEX][..., ::-1], "BGR", seed="png")
write("png", "png_16_bits", saved(deep, "png"), rgb_of(GRAY))
write("png", "png_gray", saved(gray, "png"), GRAY, "Grayscale")
write("png", "png_cut_off", saved(picture, "png")[:60], EMPTY)
for name, image, options in (("420", picture, {}), ("444", picture, {"subsampling": 0}), ("gray", gray, {}),
                             ("progressive", picture, {"progressive": True}), ("cmyk", picture.convert("CMYK"), {})):
    data = saved(image, "jpeg", **options)
    write("jpeg", f"jpeg_{name}", data, read(data), seed="jpg" if name in ("420", "cmyk") else None)
write("jpeg", "jpeg_cut_off", saved(picture, "jpeg")[:-40], EMPTY)
for compression in ("raw", "tiff_lzw", "packbits", "tiff_deflate"):
    write("tiff", f"tiff_{compression.removeprefix('tiff_')}", saved(picture, "tiff", compression=compression), RGB,
          seed="tif" if compression == "tiff_lzw" else None)
write("tiff", "tiff_alpha", saved(alpha, "tiff"), RGB)
write("tiff", "tiff_palette", saved(palette, "tiff"), PALETTE[INDEX])
write("tiff", "tiff_cut_off", saved(picture, "tiff")[:-40], EMPTY)
write("webp", "webp_lossless_alpha", saved(alpha, "webp", lossless=True, exact=True), RGB, seed="webp")
data = saved(picture, "webp")
write("webp", "webp_lossy", data, read(data), seed="webp")
write("webp", "webp_cut_off", data[:-10], EMPTY)
write("jp2", "jp2_rgb", saved(picture, "jpeg2000"), RGB, seed="jp2")
write("jp2", "jp2_alpha", saved(alpha, "jpeg2000"), RGB)
write("jp2", "jp2_gray", saved(gray, "jpeg2000"), GRAY, "Grayscale")
write("jp2", "j2k_codestream", saved(picture, "jpeg2000", no_jp2=True), RGB, seed="jp2")
data = saved(picture.convert("CMYK"), "jpeg2000")
write("jp2", "jp2_cmyk", data, RGB)
write("jp2", "jp2_cut_off", saved(picture, "jpeg2000")[:90], EMPTY)
