/* WebP, by libwebp. */
#include "picture.h"

#ifndef TAP_HAVE_WEBP

tap_status tap_picture_webp(tap_picture *p, const uint8_t *bytes, size_t n) {
    (void)bytes, (void)n;
    return tap_picture_lacks(p, "WebP", "libwebp");
}

#else

#include <webp/decode.h>

tap_status tap_picture_webp(tap_picture *p, const uint8_t *bytes, size_t n) {
    int width, height;
    if (!WebPGetInfo(bytes, n, &width, &height)) return TAP_DATA;
    tap_status status = tap_picture_make(p, width, height);
    if (status == TAP_OK)
        status = tap_picture_charge(p, 5); /* pixels, or brightness and colour; and filters */
    if (status) return status;
    const size_t size = (size_t)tap_picture_pixels(p) * 3;
    return WebPDecodeRGBInto(bytes, n, p->rgb, size, width * 3) ? TAP_OK : TAP_DATA;
}

#endif
