# Install rules, the CMake package and the pkg-config file. What the library is made of concerns only who links the
# static one: a program that uses the shared library needs nothing but libonnxtap's own files.
include(CMakePackageConfigHelpers)
set(tap_cmake_folder ${CMAKE_INSTALL_LIBDIR}/cmake/onnxtap)
foreach(kind static shared)
  install(TARGETS onnxtap_${kind} EXPORT onnxtap_${kind}
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(EXPORT onnxtap_${kind} FILE onnxtap_${kind}.cmake NAMESPACE onnxtap:: DESTINATION ${tap_cmake_folder})
endforeach()
install(DIRECTORY include/onnxtap DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
configure_package_config_file(cmake/onnxtapConfig.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/onnxtapConfig.cmake
  INSTALL_DESTINATION ${tap_cmake_folder})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/onnxtapConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/onnxtapConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/onnxtapConfigVersion.cmake
  DESTINATION ${tap_cmake_folder})

# ---- pkg-config ----
# The prefix is found from where the .pc file lies, so that an installed folder can be moved.
file(RELATIVE_PATH tap_pc_to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" tap_pc_to_prefix ${tap_pc_to_prefix})

# Appends -l for a library's file, with -L where the linker would not look by itself.
function(tap_pc_library file)
  get_filename_component(folder ${file} DIRECTORY)
  get_filename_component(name ${file} NAME_WE)
  string(REGEX REPLACE "^lib" "" name ${name})
  if(NOT folder IN_LIST CMAKE_C_IMPLICIT_LINK_DIRECTORIES)
    string(APPEND tap_pc_private " -L${folder}")
  endif()
  set(tap_pc_private "${tap_pc_private} -l${name}" PARENT_SCOPE)
endfunction()

# Not as Requires.private: pkg-config would ask for those packages from who links the shared library, too.
set(tap_pc_private "")
tap_pc_library(${PROTOBUF_C_LIBRARY})
if(ZLIB_FOUND)
  list(GET ZLIB_LIBRARIES 0 tap_zlib_file)
  tap_pc_library(${tap_zlib_file})
endif()
foreach(library ${TAP_IMAGE_LIBRARIES} ${TAP_SQLITE_LIBRARIES})
  tap_pc_library(${library})
endforeach()
if(TAP_RE2)
  tap_pc_library(${TAP_RE2_LIBRARY})
  string(APPEND tap_pc_private " -lstdc++")
endif()
configure_file(cmake/onnxtap.pc.in ${CMAKE_CURRENT_BINARY_DIR}/onnxtap.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/onnxtap.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
