# tap_order_text(TARGET): links the program or shared library TARGET so that functions that common models call lie side
# by side, as the list text_order.ld has them. The system brings code into memory 64 KB at a time: of functions that lie
# scattered over megabytes, a small model would have more in memory than of its weights. The list is a linker script that
# adds to the linker's own, and tools/text_order.py makes it anew; where the linker takes none, or a function is not in
# it, nothing else is different.
option(TAP_TEXT_ORDER "Functions that common models call lie side by side (releases)" ON)
set(tap_text_script ${CMAKE_CURRENT_SOURCE_DIR}/cmake/text_order.ld)
set(tap_text_options "")
if(TAP_TEXT_ORDER AND CMAKE_SYSTEM_NAME STREQUAL Linux AND NOT TAP_SANITIZE)
  include(CheckLinkerFlag)
  check_linker_flag(C -Wl,-T,${tap_text_script} TAP_LINKER_TAKES_TEXT_ORDER)
  if(TAP_LINKER_TAKES_TEXT_ORDER)
    set(tap_text_options $<$<CONFIG:Release>:-Wl,-T,${tap_text_script}>)
  endif()
endif()

function(tap_order_text target)
  target_link_options(${target} PRIVATE ${tap_text_options})
  set_target_properties(${target} PROPERTIES LINK_DEPENDS ${tap_text_script})
endfunction()
