# Libraries that read pictures, each optional. For LIBRARY in PNG, JPEG, TIFF, WEBP, OPENJPEG:
#   TAP_USE_<LIBRARY>    option: use it if it is installed
#   TAP_HAVE_<LIBRARY>   defined in C for what links the target tap_images, where the library is there
# TAP_IMAGE_LIBRARIES: what to link.
add_library(tap_images INTERFACE)
set(TAP_IMAGE_LIBRARIES "")
set(tap_images_missing "")

function(tap_image_library name package header library suffixes)
  option(TAP_USE_${name} "Read pictures by ${package}, if it is installed" ON)
  find_path(TAP_${name}_HEADER ${header} PATH_SUFFIXES ${suffixes})
  find_library(TAP_${name}_LIBRARY ${library})
  mark_as_advanced(TAP_${name}_HEADER TAP_${name}_LIBRARY)
  if(TAP_USE_${name} AND TAP_${name}_HEADER AND TAP_${name}_LIBRARY)
    target_compile_definitions(tap_images INTERFACE TAP_HAVE_${name})
    target_include_directories(tap_images SYSTEM INTERFACE ${TAP_${name}_HEADER})
    set(TAP_IMAGE_LIBRARIES ${TAP_IMAGE_LIBRARIES} ${TAP_${name}_LIBRARY} PARENT_SCOPE)
  else()
    set(tap_images_missing ${tap_images_missing} ${package} PARENT_SCOPE)
  endif()
endfunction()

tap_image_library(PNG libpng png.h png "libpng16")
tap_image_library(JPEG libjpeg jpeglib.h jpeg "")
tap_image_library(TIFF libtiff tiffio.h tiff "")
tap_image_library(WEBP libwebp webp/decode.h webp "")
tap_image_library(OPENJPEG openjpeg openjpeg.h openjp2 "openjpeg-2.5;openjpeg-2.4;openjpeg-2.3")
if(tap_images_missing)
  list(JOIN tap_images_missing ", " tap_images_missing)
  message(STATUS "Not found, so built without what they read: ${tap_images_missing}")
endif()
