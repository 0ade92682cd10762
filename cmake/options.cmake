# How everything is compiled: warnings, floating point, sanitizers.
add_library(tap_options INTERFACE)
target_compile_options(tap_options INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow
  "$<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes;-Wmissing-prototypes>"
  -ffp-contract=off -fno-math-errno -fvisibility=hidden -ffunction-sections $<$<BOOL:${TAP_WERROR}>:-Werror>)
target_compile_definitions(tap_options INTERFACE _POSIX_C_SOURCE=200809L _DEFAULT_SOURCE _FILE_OFFSET_BITS=64)
if(TAP_SANITIZE)
  target_compile_options(tap_options INTERFACE -fsanitize=${TAP_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(tap_options INTERFACE -fsanitize=${TAP_SANITIZE})
endif()
if(TAP_FUZZ)
  target_compile_options(tap_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
# For code that looks at nodes and not at elements, in place of the -O3 of a release: half as large and no slower.
set(tap_control_options $<$<CONFIG:Release>:-O2>)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
