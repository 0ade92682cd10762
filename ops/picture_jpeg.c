/* JPEG, by libjpeg (libjpeg-turbo): its defaults, so chroma is upsampled smoothly, as the standard asks. */
#include "picture.h"

#ifndef TAP_HAVE_JPEG

tap_status tap_picture_jpeg(tap_picture *p, const uint8_t *bytes, size_t n) {
    (void)bytes, (void)n;
    return tap_picture_lacks(p, "JPEG", "libjpeg");
}

#else

#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>

#include <jerror.h>

typedef struct reader {
    struct jpeg_decompress_struct jpeg; /* first: libjpeg's pointer is ours */
    struct jpeg_error_mgr error;
    jmp_buf back;
} reader;

static _Noreturn void failed(j_common_ptr jpeg) {
    longjmp(((reader *)jpeg)->back, 1);
}

/* A file that is cut off makes a warning and gray rows; here it cannot be decoded. */
static void warned(j_common_ptr jpeg, int level) {
    if (level < 0 && jpeg->err->msg_code == JWRN_JPEG_EOF) failed(jpeg);
}

static void say_nothing(j_common_ptr jpeg) {
    (void)jpeg;
}

/* n pixels of cyan, magenta, yellow and black, which Adobe's programs write inverted. */
static void cmyk_to_rgb(int64_t n, const uint8_t *cmyk, bool inverted, uint8_t *rgb) {
    for (int64_t i = 0; i < n; i++, cmyk += 4, rgb += 3)
        for (int c = 0; c < 3; c++) {
            const uint32_t ink = inverted ? cmyk[c] : 255U - cmyk[c],
                           black = inverted ? cmyk[3] : 255U - cmyk[3];
            rgb[c] = tap_picture_sample(ink * black, 255 * 255);
        }
}

/* Between setjmp and its longjmp: changes nothing but what lies behind pointers. */
static tap_status decode(tap_picture *p, reader *r, const uint8_t *bytes, size_t n) {
    struct jpeg_decompress_struct *jpeg = &r->jpeg;
    jpeg_create_decompress(jpeg);
    jpeg_mem_src(jpeg, bytes, (unsigned long)n);
    jpeg_read_header(jpeg, TRUE);
    const bool cmyk = jpeg->num_components == 4;
    jpeg->out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
    tap_status status = tap_picture_make(p, jpeg->image_width, jpeg->image_height);
    /* Several scans: the coefficients of all components are kept, 2 bytes each, and in whole blocks. */
    if (status == TAP_OK && jpeg_has_multiple_scans(jpeg))
        status = tap_picture_charge(p, 3 * (size_t)jpeg->num_components);
    uint8_t *room = status == TAP_OK && cmyk ? tap_picture_room(p, p->width, 4) : NULL;
    if (status || (cmyk && !room)) return status ? status : TAP_MEMORY;
    jpeg_start_decompress(jpeg);
    if (jpeg->output_components != (cmyk ? 4 : 3)) return TAP_DATA;
    while (jpeg->output_scanline < jpeg->output_height) {
        uint8_t *rgb = p->rgb + jpeg->output_scanline * p->width * 3;
        JSAMPROW row = cmyk ? room : rgb;
        jpeg_read_scanlines(jpeg, &row, 1);
        if (cmyk) cmyk_to_rgb(p->width, room, jpeg->saw_Adobe_marker, rgb);
    }
    jpeg_finish_decompress(jpeg);
    return TAP_OK;
}

tap_status tap_picture_jpeg(tap_picture *p, const uint8_t *bytes, size_t n) {
    reader *r = tap_picture_room(p, 1, sizeof *r);
    if (!r) return TAP_MEMORY;
    *r = (reader){0};
    r->jpeg.err = jpeg_std_error(&r->error);
    r->error.error_exit = failed;
    r->error.emit_message = warned;
    r->error.output_message = say_nothing;
    const tap_status status = setjmp(r->back) == 0 ? decode(p, r, bytes, n) : TAP_DATA;
    jpeg_destroy_decompress(&r->jpeg);
    return status;
}

#endif
