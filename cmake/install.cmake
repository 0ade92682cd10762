# Install rules, the CMake package and the pkg-config file.
include(CMakePackageConfigHelpers)
install(TARGETS onnxtap_static onnxtap_shared EXPORT onnxtapTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/onnxtap DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT onnxtapTargets NAMESPACE onnxtap:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/onnxtap)
configure_package_config_file(cmake/onnxtapConfig.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/onnxtapConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/onnxtap)
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/onnxtapConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/onnxtapConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/onnxtapConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/onnxtap)
# The prefix is found from where the .pc file lies, so that an installed folder can be moved.
file(RELATIVE_PATH tap_pc_to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" tap_pc_to_prefix ${tap_pc_to_prefix})
set(tap_pc_requires libprotobuf-c)
if(ZLIB_FOUND)
  string(APPEND tap_pc_requires ", zlib")
endif()
if(TAP_RE2)
  string(APPEND tap_pc_requires ", re2")
  set(tap_pc_libs " -lstdc++")
endif()
configure_file(cmake/onnxtap.pc.in ${CMAKE_CURRENT_BINARY_DIR}/onnxtap.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/onnxtap.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
